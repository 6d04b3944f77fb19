// A few connections of one worker for the statements that requests need: catch-up and publishing. Opened when wanted, closed when
// idle for a while. Statements wait in a bounded queue while all are busy.
#pragma once

#include "pg_connection.hpp"

#include <deque>
#include <functional>
#include <memory>

#include "conf.hpp"

namespace pgevents::nginx {

// What came of a statement. `rows` is null when it failed; then either the database refused it (`sqlstate` set) or was away.
struct QueryResult {
  const PGresult* rows = nullptr;
  std::string sqlstate;
  std::string message;
  std::string detail;
};

// What a statement with one row and one column came to. Without `text` it failed: see QueryResult.
struct Answer {
  std::optional<std::string_view> text;  // lives as long as the result
  std::string sqlstate;
  std::string message;
  std::string detail;
};
Answer answer_of(const QueryResult& result);

struct Query {
  Statement statement;
  bool sent = false;                             // the database may have taken its snapshot
  std::function<void(const QueryResult&)> done;  // called at most once; cancel() drops it
  void cancel() noexcept { done = nullptr; }
};

class QueryPool {
 public:
  QueryPool(const DatabaseConf& conf, ngx_log_t* log);
  ~QueryPool();

  // Runs `query` as soon as a connection is free. False when the queue is full: the answer is 503.
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

  void dispatch();
  bool any_connected() const noexcept;
  void close_idle() noexcept;
  void fail_queue(const std::string& why);

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  std::deque<std::shared_ptr<Query>> queue_;
  std::vector<std::unique_ptr<Member>> members_;
  bool shutting_down_ = false;
};

}  // namespace pgevents::nginx
