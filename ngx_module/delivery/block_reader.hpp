// What a subscriber gets next from the ring: the frames of its channels behind its cursor, as one block.
#pragma once

#include <cstdint>
#include <vector>

#include "core/request/type_filter.hpp"
#include "ngx_module/delivery/block.hpp"
#include "ngx_module/delivery/channels.hpp"

namespace pgevents::nginx {

struct Selection {
  const std::vector<Membership>& channels;
  const TypeFilter* filter;  // null: all types
  Format format;
  std::uint64_t cursor;
  RingPosition position;
};

struct NextBlock {
  BlockRef block;            // null when there is nothing to send
  std::uint64_t cursor = 0;  // to go on from
  RingPosition position;     // of the last event in the block
  bool complete = false;     // everything that the worker has seen is in the block or before it
  bool lost = false;         // the ring has moved past the cursor: the log must be asked
};

class BlockReader {
 public:
  explicit BlockReader(const Ring& ring) : ring_(ring) {}
  // `seen_id`: how far the worker has read the ring. `now_ms`: expired events are left out.
  NextBlock next(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms);

 private:
  struct Head {
    const Channel* channel = nullptr;
    std::uint64_t pos = 0;
    bool loaded = false;
    RingEvent event;
  };

  Ring::Read find(const Channel& channel, const Selection& selection, std::uint64_t& pos) const;
  bool collect(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms, std::size_t heads,
               NextBlock& result);
  bool load(Head& head, std::uint64_t seen_id);
  NextBlock build(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms, std::size_t heads);

  const Ring& ring_;
  std::vector<Head> heads_;  // scratch; the strings in it keep their memory
};

}  // namespace pgevents::nginx
