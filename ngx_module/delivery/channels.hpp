// Which subscribers of this worker are subscribed to which channel. A channel exists while it has subscribers. It holds
// no events, only where in the ring the events begin that its subscribers have not got, and the blocks made of them in
// the current round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/metrics/metrics.hpp"
#include "core/shared/ring.hpp"
#include "ngx_module/delivery/block.hpp"

namespace pgevents::nginx {

struct Channel;

// A place among a channel's members.
struct Membership {
  // The member gets nothing of the channel yet.
  static constexpr std::uint64_t kMuted = UINT64_MAX;

  Channel* channel;
  std::size_t index;
  // The member has the channel's events up to here, or behind its own cursor if that is further.
  std::uint64_t after = 0;
};

// The channels that a subscriber has joined. Base of Subscriber, so that this file needs no definition of it.
struct ChannelMember {
  std::vector<Membership> memberships;
};

// The last entry of the ring that a subscriber of one channel got. While the subscriber is behind, the next entry is
// found from there, not from the newest.
struct RingPosition {
  std::uint64_t id = 0;
  std::uint64_t pos = 0;
};

struct Channel {
  // Where the events begin that a subscriber with low <= cursor < first_id wants.
  struct NewRange {
    std::uint64_t low = 0;
    std::uint64_t first_id = 0;  // 0: unknown, the ring must be searched
    std::uint64_t first_pos = 0;
  };
  // A block made for one subscriber, and its use for all others with the same position.
  struct CachedBlock {
    std::uint64_t first_pos = 0;
    std::uint64_t seen_id = 0;  // RingView::seen_id when the block was made
    std::uint64_t cursor = 0;
    bool complete = false;
    RingPosition position;
    BlockRef block;
  };

  std::string name;
  std::uint64_t hash = 0;
  std::uint64_t last_id = 0;  // the worker has seen no newer event of this channel
  NewRange current;           // of the round under way
  NewRange next;              // marked during the round
  std::vector<ChannelMember*> members;
  std::size_t to_serve = 0;  // members below this index wait in the round under way
  bool queued = false;
  Channel* next_queued = nullptr;  // in TurnQueues, where queueing must take no memory
  bool started = false;            // the round has begun
  CachedBlock cached[kFormats];    // by Format
};

class Channels {
 public:
  Channels(const Ring& ring, Metrics& metrics) : ring_(ring), metrics_(metrics) {}

  // Joins all of `names`. `seen_id`: see RingView. If memory is refused the member has joined some of them; leave()
  // undoes that.
  void join(ChannelMember& member, const std::vector<std::string>& names, std::uint64_t seen_id,
            std::uint64_t after = 0);
  // Leaves all channels.
  void leave(ChannelMember& member) noexcept;
  // Leaves this one, if it has joined it.
  void leave(ChannelMember& member, const std::string& name) noexcept;

  // Visits the channels with this hash, mostly one or none.
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
  // Removes a channel without members, unless it is queued for a round.
  void drop_if_unused(Channel& channel) noexcept;

 private:
  Channel& find_or_add(const std::string& name, std::uint64_t seen_id);
  void leave(const Membership& membership) noexcept;

  const Ring& ring_;  // its hash is keyed, so the names that clients choose are spread evenly
  Metrics& metrics_;
  std::unordered_multimap<std::uint64_t, Channel> by_hash_;
};

}  // namespace pgevents::nginx
