// The parts of a worker that its subscribers use. Owned by Delivery and by the database's worker; they outlive every
// subscriber.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>

#include "core/metrics/metrics.hpp"
#include "core/shared/shared_state.hpp"
#include "ngx_module/delivery/block_maker.hpp"
#include "ngx_module/delivery/catchup.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/heartbeats.hpp"
#include "ngx_module/delivery/release_queue.hpp"
#include "ngx_module/delivery/ring_view.hpp"
#include "ngx_module/delivery/subscriber_list.hpp"
#include "ngx_module/delivery/subscribers_by_user.hpp"
#include "ngx_module/delivery/turn_clock.hpp"
#include "ngx_module/delivery/turn_queues.hpp"
#include "ngx_module/http/service_state.hpp"
#include "ngx_module/presence/connection_tracker.hpp"

namespace pgevents::nginx {

struct SubscriberContext {
  const RingView& view;
  BlockMaker& block_maker;
  Catchup& catchup;
  Channels& channels;
  TurnQueues& turns;
  ReleaseQueue& releases;
  SubscriberList& subscribers;
  SubscribersByUser& users;
  Heartbeats& heartbeats;
  const ServiceState& service;
  WaitIds& wait_ids;
  ConnectionTracker* connection_tracker;  // null when connections do not count as presence
  std::uint64_t self;                     // this process, in wait_ids
  Metrics& metrics;
  const TurnClock& clock;
};

}  // namespace pgevents::nginx
