// Calls pgevents.presence_tick() as often as it wants to be called: tells what was kept back to be told together, ends connections that
// are over. One worker of the instance does it, the one that listens.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <memory>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class Ticker {
 public:
  // `serving`: whether the database can be reached; `listening`: whether this is the worker that listens.
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
  ngx_event_t timer_{};
  std::shared_ptr<Query> query_;
  bool served_ = false;  // the database has been there before
  bool away_ = false;    // and is not now
  ngx_msec_t not_before_ = 0;
};

}  // namespace pgevents::nginx
