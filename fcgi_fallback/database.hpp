// The database connection of a process: made when first needed, kept, and made anew when it turns out dead.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/wire/reply.hpp"
#include "fcgi_fallback/log.hpp"

namespace pgevents::fallback {

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

struct Statement {
  const char* name;
  const char* sql;
};

// What became of a statement: its rows, or what the client is told. `log` is for the operator (empty: nothing to say).
struct Outcome {
  ResultPtr rows;
  Error error;
  std::string log;
};

class Database {
 public:
  // `prepare`: prepare each statement once per connection. For one request (CGI) that would only cost a round trip.
  Database(std::string conninfo, bool prepare, unsigned retry_after);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Whether libpq can read the connection string. (Its complaint is not repeated: it may quote a password.)
  static bool conninfo_is_readable(const std::string& conninfo);

  // Whether there is a connection, and not known to be dead. Makes none.
  bool is_connected();

  // Runs a statement of `count` text parameters (null: NULL) and waits for its result. When a kept connection turns out
  // dead, connects once more and repeats the statement if it surely was not executed, or if `repeatable`.
  Outcome run(const Statement& statement, const char* const* values, int count, bool repeatable);

  // Runs a statement that may as well be left out: not without a connection that is there, and not twice.
  Outcome run_if_connected(const Statement& statement, const char* const* values, int count);

 private:
  bool connect(Outcome& outcome);
  bool kept_connection_lives();
  void disconnect() noexcept;
  ResultPtr wait_for_result();
  bool wait_for_socket(bool to_write, std::chrono::steady_clock::time_point deadline);
  bool is_lost() const;
  ResultPtr execute(const Statement& statement, const char* const* values, int count);
  bool needs_another_session(const PGresult* result, bool repeatable) const;
  bool may_repeat_here(const PGresult* result, bool& repeated);
  void settle_failure(Outcome& outcome);
  void explain(const PGresult* result, Outcome& outcome);

  std::string conninfo_;
  bool prepare_;
  unsigned retry_after_;
  PGconn* connection_ = nullptr;
  bool is_silent_ = false;  // an answer did not come in time: what comes on it now is of no use
  std::set<std::string> prepared_;
  std::chrono::steady_clock::time_point next_try_{};
  LogLimit away_log_{std::chrono::seconds(10)};
  LogLimit error_log_{std::chrono::seconds(1)};
};

}  // namespace pgevents::fallback
