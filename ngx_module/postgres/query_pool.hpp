// A few connections of one worker for the statements that requests need. Opened when wanted, closed when idle for a while.
// Statements wait in bounded queues while all are busy, one for events and one for presence: however much presence costs,
// it leaves one connection to the events.
#pragma once

#include "ngx_module/postgres/pg_connection.hpp"

#include <functional>
#include <list>
#include <memory>
#include <string_view>

#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

// What came of a statement. `rows` is null when it failed; then either the database refused it (`sqlstate` set) or was away.
// Only to look at, so that to be told needs no memory.
struct QueryResult {
  const PGresult* rows = nullptr;
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
};

// What a statement with one row and one column came to. Without `text` it failed: see QueryResult.
struct Answer {
  std::optional<std::string_view> text;
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
};
Answer answer_of(const QueryResult& result) noexcept;

// What a statement is for: publishing and catch-up are what clients wait for; presence is all else, from a realm's whole state to
// the worker's own reports.
enum class Lane { kPublish, kCatchup, kPresence };

struct Query {
  Statement statement;
  Lane lane = Lane::kCatchup;
  bool sent = false;      // the database may have taken its snapshot
  bool repeated = false;  // after an error that had nothing to do with it; once
  std::function<void(const QueryResult&)>
      done;  // called at most once; cancel() drops it. What it throws is only logged
  void cancel() noexcept { done = nullptr; }
};

class QueryPool {
 public:
  QueryPool(const DatabaseConf& conf, ngx_log_t* log);
  ~QueryPool();

  // Runs `query` as soon as a connection is free for its lane. False when the lane's queue is full: the answer is 503. Where this
  // throws nothing has happened, and nothing will.
  bool run(std::shared_ptr<Query> query);
  // The same for the worker's own statements, of which there are few: never refused.
  void post(std::shared_ptr<Query> query);
  // The database is there: the next request need not wait until it may open a connection.
  void may_connect_again() noexcept { pause_until_ = ngx_current_msec; }
  // Connections close as they become idle: the worker leaves.
  void shut_down();
  // All connections, whatever is on them: the process ends.
  void close() noexcept;

 private:
  class Member;
  struct Queue {
    std::list<std::shared_ptr<Query>> waiting;
    std::size_t bytes = 0;  // of their parameters
    std::size_t max_bytes;
  };
  static constexpr std::size_t kMaxQueue = 1024;
  static constexpr std::size_t kMaxEventBytes = 64 * 1024 * 1024;
  static constexpr std::size_t kMaxPresenceBytes = 16 * 1024 * 1024;
  // So many others go before one about presence that waits as well.
  static constexpr unsigned kMaxPassedOver = 8;

  Queue& queue_of(const Query& query) noexcept;
  static void drop_cancelled(Queue& queue) noexcept;
  static std::shared_ptr<Query> take(Queue& queue) noexcept;
  bool presence_may_start() const noexcept;
  Queue* next() noexcept;
  Queue* next_of_events() noexcept;
  std::shared_ptr<Query> take_from(Queue& queue) noexcept;
  bool anybody_waits() const noexcept;
  void repeat(std::shared_ptr<Query> query) noexcept;
  void finish(std::shared_ptr<Query> query, const QueryResult& result) noexcept;
  void dispatch() noexcept;
  bool any_connected() const noexcept;
  bool all_closed() const noexcept;
  bool may_connect() const noexcept;
  void close_idle() noexcept;
  void fail_queue(const char* why) noexcept;

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  Queue publish_{{}, 0, kMaxEventBytes};
  Queue catchup_{{}, 0, kMaxEventBytes};
  Queue presence_{{}, 0, kMaxPresenceBytes};
  bool published_last_ = false;  // publishing and catch-up take turns: neither waits for the other's whole queue
  unsigned passed_over_ = 0;     // of these that went before a statement about presence
  std::vector<std::unique_ptr<Member>> members_;
  ngx_msec_t pause_until_ = 0;  // after a failure no request opens a connection for a second
  bool shutting_down_ = false;
};

}  // namespace pgevents::nginx
