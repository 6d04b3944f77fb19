// Who in this worker listens to which channel. A channel exists while it has subscribers; it holds no events, only where in the
// ring those begin that its subscribers have not seen, and the blocks made of them in the current round.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/shared/ring.hpp"
#include "ngx_module/delivery/block.hpp"

namespace pgevents::nginx {

class Subscriber;

// The last entry that a subscriber of one channel got. While it is behind, the next one is found from there, not from the newest.
struct RingPosition {
  std::uint64_t id = 0;
  std::uint64_t pos = 0;
};

struct Channel {
  // Where the events begin that a subscriber with low <= cursor < first_id wants.
  struct NewRange {
    std::uint64_t low = 0;
    std::uint64_t first_id = 0;  // 0: unknown, look it up in the ring
    std::uint64_t first_pos = 0;
  };
  // A block made for one subscriber, for all others that stand at the same place.
  struct CachedBlock {
    std::uint64_t first_pos = 0;
    std::uint64_t seen_id = 0;  // what the worker had seen when the block was made
    std::uint64_t cursor = 0;
    bool complete = false;
    RingPosition position;
    BlockRef block;
  };

  std::string name;
  std::uint64_t hash = 0;
  std::uint64_t last_id = 0;  // no event of this channel that the worker has seen is newer
  NewRange fresh;             // of the round under way
  NewRange next;              // noticed during the round
  std::vector<Subscriber*> members;
  std::size_t to_serve = 0;  // members below this index wait in the round under way
  bool queued = false;
  Channel* next_queued = nullptr;  // in the database's queue, where to get in must need no memory
  bool started = false;            // the round has begun
  CachedBlock made[3];             // by Format
};

// A subscriber's place in a channel's members.
struct Membership {
  Channel* channel;
  std::size_t index;
};

class Channels {
 public:
  explicit Channels(const Ring& ring) : ring_(ring) {}

  // `seen_id`: everything up to it has been read from the ring.
  Channel& join(const std::string& name, Subscriber* subscriber, std::uint64_t seen_id);
  void leave(const Membership& membership) noexcept;

  // The channels of this hash, mostly one or none.
  template <typename Visit>
  void with_hash(std::uint64_t hash, Visit&& visit) {
    const auto [from, to] = by_hash_.equal_range(hash);
    for (auto it = from; it != to; ++it) {
      visit(it->second);
    }
  }
  template <typename Visit>
  void all(Visit&& visit) {
    for (auto& [hash, channel] : by_hash_) {
      visit(channel);
    }
  }
  bool empty() const noexcept { return by_hash_.empty(); }
  // Removes a channel without members, unless it still waits for its round.
  void drop_if_unused(Channel& channel) noexcept;

 private:
  const Ring& ring_;  // whose hash it is: keyed, so the names that clients choose are spread evenly
  std::unordered_multimap<std::uint64_t, Channel> by_hash_;
};

}  // namespace pgevents::nginx
