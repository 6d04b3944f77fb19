// A worker's few connections for the statements that requests need. They are opened on demand and closed after a minute
// without work. While all are busy, statements wait in bounded queues, one for each lane. However much presence costs,
// it leaves one connection to publishing and catch-up.
#pragma once

#include "ngx_module/postgres/pg_connection.hpp"

#include <functional>
#include <list>
#include <memory>

#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "postgres/answer.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

using postgres::Answer;
using postgres::answer_of;
using postgres::QueryResult;

// What a statement is for. Clients wait for publishing and catch-up; presence is all else, from a realm's whole state
// to the worker's own reports.
enum class Lane { kPublish, kCatchup, kPresence };

// Gets the result of a statement, at most once. What it throws is only logged.
using QueryDone = std::function<void(const QueryResult&)>;

struct Query {
  Statement statement;
  Lane lane = Lane::kCatchup;
  bool sent = false;      // the database may have taken its snapshot
  bool repeated = false;  // once, after an error that the statement itself did not cause
  QueryDone done;         // empty: called, or cancelled
  void cancel() noexcept { done = nullptr; }
};

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
  QueryPool(const DatabaseConf& conf, ServerAddresses& servers, ngx_log_t* log);
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
  // The database answers again: the next statement may open a connection without a pause.
  void may_connect_again() noexcept { pause_until_ = ngx_current_msec; }
  // The worker shuts down: connections close as they become idle.
  void shut_down();
  // The process ends: closes all connections, also busy ones.
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
  // A waiting statement about presence lets at most so many of the other lanes go first.
  static constexpr unsigned kMaxPassedOver = 8;

  Queue& queue_of(const Query& query) noexcept;
  static void drop_cancelled(Queue& queue) noexcept;
  static std::shared_ptr<Query> take(Queue& queue) noexcept;
  bool presence_may_start() const noexcept;
  Queue* next() noexcept;
  Queue* next_of_events() noexcept;
  std::shared_ptr<Query> take_from(Queue& queue) noexcept;
  bool any_waiting() const noexcept;
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
  ServerAddresses& servers_;
  ngx_log_t* log_;
  Queue publish_{{}, 0, kMaxEventBytes};
  Queue catchup_{{}, 0, kMaxEventBytes};
  Queue presence_{{}, 0, kMaxPresenceBytes};
  bool published_last_ =
      false;                  // publishing and catch-up take turns, so that neither waits for the other's whole queue
  unsigned passed_over_ = 0;  // how many of these went before the waiting statement about presence
  std::vector<std::unique_ptr<Member>> members_;
  RepeatLimit connect_log_{60'000};
  RepeatLimit lost_log_{60'000};
  ngx_msec_t pause_until_ = 0;  // for a second after a failure no connection is opened
  bool shutting_down_ = false;
};

}  // namespace pgevents::nginx
