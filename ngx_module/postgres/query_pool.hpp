// A worker's few connections for the statements that requests need. They are opened on demand and closed after a minute
// without work. While all are busy, statements wait in bounded queues, one for each lane. However much presence costs,
// it leaves one connection to publishing and catch-up.
#pragma once

#include "ngx_module/postgres/pg_connection.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/metrics/metrics.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/query.hpp"
#include "ngx_module/postgres/query_queues.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

// What the caller keeps of a statement under way. The callback is dropped with it; the statement is executed all the
// same if it was sent.
class QueryHandle {
 public:
  QueryHandle() = default;
  ~QueryHandle() { cancel(); }
  QueryHandle(const QueryHandle&) = delete;
  QueryHandle& operator=(const QueryHandle&) = delete;

  // Whether the callback is still to be called. False within the callback.
  bool pending() const noexcept { return query_ != nullptr && query_->done != nullptr; }
  // Whether the database may have taken its snapshot: what is committed from now on may be missing in the result.
  bool sent() const noexcept { return query_ != nullptr && query_->sent; }
  void cancel() noexcept {
    if (query_ != nullptr) {
      query_->cancel();
    }
  }

 private:
  friend class QueryPool;
  std::shared_ptr<Query> query_;
};

class QueryPool {
 public:
  QueryPool(const DatabaseConf& conf, PoolTroubles& troubles, ServerAddresses& servers, Metrics& metrics,
            const PoolMetrics& shown, ngx_log_t* log);
  ~QueryPool();

  // Runs a statement as soon as a connection is free for its lane, and calls `done` with the result, perhaps before
  // this returns. False if the lane's queue is full: the statement is dropped and the answer is 503. If this throws,
  // `done` is never called. A query that `handle` still had is cancelled.
  bool run(Statement statement, Lane lane, QueryDone done, QueryHandle& handle);
  // The same for the few statements of the worker itself: the queue takes them even if it is full.
  void post(Statement statement, Lane lane, QueryDone done, QueryHandle& handle);
  void post(Statement statement, Lane lane, QueryDone done);
  // The same with a query that the caller has made.
  bool run(std::shared_ptr<Query> query);
  void post(std::shared_ptr<Query> query);

  // The name of the database in the configuration, for log lines.
  const ngx_str_t& database() const noexcept { return conf_.name; }
  // The version of the schema that the newest connection found; 0 before the first one.
  int schema_version() const noexcept { return schema_version_; }
  std::size_t connections() const noexcept { return members_.size(); }
  // Whether the last attempt to open a connection has failed.
  bool away() const noexcept { return away_; }
  void count_rejected() noexcept { metrics_.add(shown_.rejected); }
  // How many publications wait for the next transaction: the metrics count them with the pool's queue.
  void set_gathered(std::size_t count) noexcept { queues_.set_gathered(count); }
  // The database answers again: the next statement may open a connection without a pause.
  void may_connect_again() noexcept { pause_until_ = ngx_current_msec; }
  // Each second: how many statements have waited or run for longer than 2 s, for the metrics.
  void count_slow() noexcept;
  // The worker shuts down: connections close as they become idle.
  void shut_down();
  // The process ends: closes all connections, also busy ones.
  void close() noexcept;

 private:
  class Member;
  bool presence_may_run() const noexcept;
  void repeat(std::shared_ptr<Query> query) noexcept;
  void finish(std::shared_ptr<Query> query, const QueryResult& result) noexcept;
  void dispatch() noexcept;
  bool any_connected() const noexcept;
  bool all_closed() const noexcept;
  bool may_connect() const noexcept;
  void close_idle() noexcept;
  void fail_queue(const char* why) noexcept;
  void log_failure(bool was_opening, const char* why) noexcept;

  const DatabaseConf& conf_;
  PoolTroubles& troubles_;
  ServerAddresses& servers_;
  Metrics& metrics_;
  const PoolMetrics& shown_;
  ngx_log_t* log_;
  QueryQueues queues_;
  std::vector<std::unique_ptr<Member>> members_;
  RepeatLimit connect_log_{60'000};
  RepeatLimit lost_log_{60'000};
  ngx_msec_t pause_until_ = 0;  // for a second after a failure no connection is opened
  bool away_ = false;
  int schema_version_ = 0;
  bool shutting_down_ = false;
};

}  // namespace pgevents::nginx
