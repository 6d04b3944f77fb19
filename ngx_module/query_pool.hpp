// A few connections of one worker for the statements that requests need: catch-up and publishing. Opened when wanted, closed when
// idle for a while. Statements wait in a bounded queue while all are busy.
#pragma once

#include "pg_connection.hpp"

#include <functional>
#include <list>
#include <memory>
#include <string_view>

#include "conf.hpp"

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

struct Query {
  Statement statement;
  bool sent = false;  // the database may have taken its snapshot
  std::function<void(const QueryResult&)>
      done;  // called at most once; cancel() drops it. What it throws is only logged
  void cancel() noexcept { done = nullptr; }
};

class QueryPool {
 public:
  QueryPool(const DatabaseConf& conf, ngx_log_t* log);
  ~QueryPool();

  // Runs `query` as soon as a connection is free. False when the queue is full: the answer is 503. Where this throws nothing has
  // happened, and nothing will.
  bool run(std::shared_ptr<Query> query);
  // The same for the worker's own statements, of which there are few: never refused.
  void post(std::shared_ptr<Query> query);
  // Connections close as they become idle: the worker leaves.
  void shut_down();
  // All connections, whatever is on them: the process ends.
  void close() noexcept;

 private:
  class Member;
  static constexpr std::size_t kMaxQueue = 1024;

  void finish(std::shared_ptr<Query> query, const QueryResult& result) noexcept;
  void dispatch() noexcept;
  bool any_connected() const noexcept;
  void close_idle() noexcept;
  void fail_queue(const char* why) noexcept;

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  std::list<std::shared_ptr<Query>> queue_;
  std::vector<std::unique_ptr<Member>> members_;
  bool shutting_down_ = false;
};

}  // namespace pgevents::nginx
