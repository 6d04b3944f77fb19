// Delivery in one worker: owns the channels, their subscribers and what serves them, and wires these parts together.
// Made by the database's worker, which calls it when the ring may have grown, once a second, and when the worker
// leaves.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>

#include "ngx_module/delivery/ring_follower.hpp"
#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/delivery/turn_clock.hpp"
#include "ngx_module/delivery/turn_scheduler.hpp"

namespace pgevents::nginx {

class Delivery {
 public:
  // What delivery uses of the rest of the worker.
  struct Sources {
    const Ring& ring;
    const SharedRoot& root;
    const SharedRevocations& revocations;
    const ServiceState& service;
    QueryPool& pool;
    WaitIds& wait_ids;
    ConnectionTracker* connection_tracker;  // null when connections do not count as presence
    std::uint64_t self;
    Metrics& metrics;
  };
  Delivery(const Sources& sources, ngx_log_t* log);

  const SubscriberContext& context() const noexcept { return context_; }

  // The ring and the revocations are attached.
  void start() noexcept { follower_.start(); }
  // Reads what is new in the ring and the revocations.
  void look() { follower_.look(); }
  // Subscribers that wait may ask the log again, if `serving`.
  void retry(bool serving) noexcept { scheduler_.retry(serving); }
  // Sends the heartbeats that are due; called once a second.
  void tick() noexcept;
  // Answers every waiting long poll and ends every stream: the worker leaves.
  void end_all() noexcept;
  // How many subscribers the channel with this hash (Ring::hash()) has in this worker.
  std::size_t subscribers_of(std::uint64_t hash) noexcept;

 private:
  RingView view_;
  TurnClock clock_;
  Channels channels_;
  SubscribersByUser users_;
  SubscriberList subscribers_;
  Heartbeats heartbeats_;
  BlockMaker block_maker_;
  ReleaseQueue releases_;
  TurnQueues turns_;
  Catchup catchup_;
  TurnScheduler scheduler_;
  RingFollower follower_;
  const SubscriberContext context_;
};

}  // namespace pgevents::nginx
