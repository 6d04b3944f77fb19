// Calls pgevents.presence_tick() as often as that asks for: it publishes changes that were held back to share an event,
// and ends connections whose time is over. Only the worker that listens calls it.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>

#include "core/text/repeat_limit.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class Ticker {
 public:
  // `serving`: whether the database can be reached, as far as is known; `listening`: whether this is the worker that
  // listens.
  Ticker(QueryPool& pool, std::function<bool()> serving, std::function<bool()> listening, ngx_log_t* log);
  ~Ticker();

  void start();
  void stop() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  bool may_tick() noexcept;
  void tick();
  void ticked(const QueryResult& result);

  QueryPool& pool_;
  std::function<bool()> serving_;
  std::function<bool()> listening_;
  ngx_log_t* log_;
  RepeatLimit failed_log_{60'000};
  ngx_event_t timer_{};
  QueryHandle query_;
  bool served_ = false;  // the database has been reached before
  bool away_ = false;    // and cannot be reached now
  ngx_msec_t not_before_ = 0;
};

}  // namespace pgevents::nginx
