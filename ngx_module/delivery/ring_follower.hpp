// Reads the ring in order for one worker: marks the channels whose events are new, and obeys control events, which end
// the requests of users who were revoked or disconnected.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>

#include "core/metrics/metrics.hpp"
#include "core/shared/ring.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/ring_view.hpp"
#include "ngx_module/delivery/subscriber_list.hpp"
#include "ngx_module/delivery/subscribers_by_user.hpp"
#include "ngx_module/delivery/turn_queues.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class RingFollower {
 public:
  // What a new position in the ring concerns.
  struct Followers {
    Channels& channels;
    TurnQueues& turns;
    SubscribersByUser& users;
    SubscriberList& subscribers;
    Metrics& metrics;
  };

  // `database`: its name, for log lines.
  RingFollower(RingView& view, const SharedRoot& root, const SharedRevocations& revocations, Followers followers,
               const ngx_str_t& database, ngx_log_t* log) noexcept
      : view_(view), root_(root), revocations_(revocations), followers_(followers), database_(database), log_(log) {}

  // Begins at the ring's newest event. The ring and the revocations must be attached.
  void start() noexcept;
  // Reads what is new. If memory for it is refused this throws, and the next look() reads it.
  void look();

 private:
  void look_at_ring();
  void overtaken() noexcept;
  void new_epoch(const Ring::Snapshot& now) noexcept;
  void jump_to(const Ring::Snapshot& now) noexcept;
  bool obey(std::uint64_t pos, std::uint64_t id);
  void missed_control() noexcept;

  RingView& view_;
  const SharedRoot& root_;
  const SharedRevocations& revocations_;
  const Followers followers_;
  const ngx_str_t& database_;
  ngx_log_t* log_;
  RepeatLimit overtaken_log_{60'000};
  std::uint64_t pos_ = 0;  // how far the ring has been read; view_.seen_id is the newest id up to there
  std::uint64_t epoch_ = 0;
  std::uint64_t control_hash_ = 0;  // of kControlChannel
  std::uint64_t seen_control_ = 0;  // the newest event on kControlChannel that was obeyed
  std::uint64_t seen_loads_ = 0;    // of revocations_
};

}  // namespace pgevents::nginx
