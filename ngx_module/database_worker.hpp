// One database in one worker: makes its parts, wires them together, starts and ends them. The parts know each other
// only as far as they are handed to each other here and in Delivery. Lives in the cycle's pool.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <memory>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/delivery/channel_census.hpp"
#include "ngx_module/delivery/delivery.hpp"
#include "ngx_module/http/publications.hpp"
#include "ngx_module/http/request_context.hpp"
#include "ngx_module/http/service_state.hpp"
#include "ngx_module/listener/listener.hpp"
#include "ngx_module/listener/primary_watch.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/postgres/server_addresses.hpp"
#include "ngx_module/presence/connection_tracker.hpp"
#include "ngx_module/presence/presence_states.hpp"
#include "ngx_module/presence/reports.hpp"
#include "ngx_module/presence/ticker.hpp"
#include "ngx_module/zone/metrics_slot.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class DatabaseWorker {
 public:
  DatabaseWorker(const DatabaseConf& conf, ngx_cycle_t* cycle);
  ~DatabaseWorker();
  DatabaseWorker(const DatabaseWorker&) = delete;
  DatabaseWorker& operator=(const DatabaseWorker&) = delete;

  // False when the shared memory has another layout or nginx has no connection object left.
  bool start();
  // The process exits, whatever is still open: another worker may take the listener's lease over.
  void exit() noexcept;

  const ServiceState& service() const noexcept { return service_; }
  const SubscriberContext& subscriber_context() const noexcept { return delivery_.context(); }
  const RequestContext& request_context() const noexcept { return request_context_; }
  // What this process counts.
  Metrics& metrics() noexcept { return slot_.metrics(); }
  ChannelCensus& census() noexcept { return census_; }

  // For the status: the shared memory as this process sees it.
  const DatabaseConf& conf() const noexcept { return conf_; }
  const SharedRoot& root() const noexcept { return root_; }
  const Ring& ring() const noexcept { return ring_; }
  const MetricsSlots& slots() const noexcept { return slot_.all(); }
  std::size_t revoked_users() const noexcept { return revocations_.used(); }

 private:
  // The connections for what writes, if the database is a copy.
  struct Primary {
    Primary(const DatabaseConf& conf, PoolTroubles& troubles, Metrics& metrics, ngx_log_t* log)
        : servers(conf, log), pool(conf, troubles, servers, metrics, kPrimaryMetrics, log) {}
    ServerAddresses servers;
    QueryPool pool;
  };

  static void on_wake(ngx_event_t* event);
  static void on_second(ngx_event_t* event);
  static void on_leave(ngx_event_t* event);

  bool attach() noexcept;
  bool watch_wake_fd();
  void wake_all() noexcept;
  void look();
  void each_second();
  void leave_soon() noexcept;
  void shut_down() noexcept;

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  SharedRoot& root_;
  const std::uint64_t self_;  // this process, in shared memory
  MetricsSlot slot_;
  Ring ring_;
  WaitIds wait_ids_;
  SharedRevocations revocations_;
  ServiceState service_;
  ServerAddresses servers_;  // before the connections, which wait there
  QueryPool pool_;
  std::unique_ptr<Primary> primary_;  // null: it is not
  QueryPool& writing_;                // pool_, or that of the primary
  Listener listener_;
  Publications publications_;
  Reports reports_;
  PresenceStates presence_states_;
  ConnectionTracker connection_tracker_;
  Ticker ticker_;
  PrimaryWatch primary_watch_;
  Delivery delivery_;
  ChannelCensus census_;
  const RequestContext request_context_;
  ngx_connection_t* wake_ = nullptr;
  ngx_event_t second_{};
  ngx_event_t leave_{};
  bool was_serving_ = false;
};

}  // namespace pgevents::nginx
