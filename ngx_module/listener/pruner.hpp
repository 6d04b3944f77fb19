// Prunes the log every `prune=` interval, in the worker that owns the listener's lease: batch by batch, by connections
// of the pool.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class Pruner {
 public:
  Pruner(const DatabaseConf& conf, QueryPool& pool, ngx_log_t* log);
  ~Pruner() { stop(); }
  Pruner(const Pruner&) = delete;
  Pruner& operator=(const Pruner&) = delete;

  void start();  // no effect with prune=off
  void stop() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  void prune();
  void pruned(const QueryResult& result);

  const DatabaseConf& conf_;
  QueryPool& pool_;
  ngx_log_t* log_;
  ngx_event_t timer_{};
  QueryHandle query_;
};

}  // namespace pgevents::nginx
