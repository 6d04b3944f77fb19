// What a subscriber gets next from the ring: the frames of its channels behind its cursor, as one block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/request/type_filter.hpp"
#include "ngx_module/delivery/block.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/ring_view.hpp"

namespace pgevents::nginx {

// Which events a subscriber wants, in which format.
struct Selection {
  const std::vector<Membership>& channels;
  const TypeFilter* filter;  // null: all types
  Format format;
  std::uint64_t cursor;
  RingPosition position;
};

struct NextBlock {
  BlockRef block;            // null: nothing to send
  std::uint64_t cursor = 0;  // behind the block
  RingPosition position;     // of the last event in the block
  bool complete = false;     // no event that the worker has seen is behind the block
  bool lost = false;         // the ring no longer covers the cursor: the log must be asked
};

class BlockMaker {
 public:
  explicit BlockMaker(const RingView& view) : view_(view) {}
  // Leaves out events that have expired. `now_ms`: on the clock of RingEvent::expires_ms.
  NextBlock next(const Selection& selection, std::int64_t now_ms);

 private:
  // Where reading of one channel has come to.
  struct Head {
    Channel* channel = nullptr;
    std::uint64_t pos = 0;
    bool loaded = false;
    RingEvent event;
  };

  bool find_heads(const Selection& selection);
  Ring::Read find(const Membership& membership, const Selection& selection, std::uint64_t& pos) const;
  NextBlock build(const Selection& selection, std::int64_t now_ms);
  bool collect(const Selection& selection, std::int64_t now_ms, NextBlock& next);
  bool load_heads();
  Head* oldest_head();
  bool load(Head& head);
  bool advance(Head& head);

  const RingView& view_;
  std::vector<Head> heads_;     // scratch; the strings in it keep their memory
  std::size_t head_count_ = 0;  // of heads_, in use
};

}  // namespace pgevents::nginx
