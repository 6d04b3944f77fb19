// Prunes the log every `prune=` interval, in the worker that owns the listener's lease: batch by batch, by connections
// of the pool; that of the primary if the database is a copy, where replication removes the same rows.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/metrics/metrics.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class Pruner {
 public:
  Pruner(const DatabaseConf& conf, SharedRoot& root, QueryPool& pool, Metrics& metrics, ngx_log_t* log);
  ~Pruner() { stop(); }
  Pruner(const Pruner&) = delete;
  Pruner& operator=(const Pruner&) = delete;

  void start();  // no effect with prune=off
  void stop() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  void prune();
  void pruned(const QueryResult& result);
  void failed(const QueryResult& result) noexcept;

  const DatabaseConf& conf_;
  SharedRoot& root_;
  QueryPool& pool_;
  Metrics& metrics_;
  ngx_log_t* log_;
  ngx_event_t timer_{};
  QueryHandle query_;
  RepeatLimit failed_log_{60'000};
};

}  // namespace pgevents::nginx
