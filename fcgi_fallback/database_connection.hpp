// The database connection of a process: opened when first needed, kept, and opened anew when it turns out to be dead.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <set>
#include <string>

#include <optional>
#include <string_view>

#include "core/wire/reply.hpp"
#include "fcgi_fallback/counters.hpp"
#include "fcgi_fallback/database_places.hpp"
#include "fcgi_fallback/log.hpp"
#include "postgres/notices.hpp"
#include "postgres/result.hpp"
#include "postgres/session_start.hpp"
#include "postgres/statement.hpp"

namespace pgevents::fallback {

// What became of a statement.
struct Outcome {
  postgres::ResultPtr rows;        // null: it failed
  Error error = internal_error();  // the answer to the client if it failed, or if the rows are not what was expected
  std::string log;                 // for the operator; empty: nothing to report

  // The value of a statement that returns one row with one column. Nothing: the answer is `error`. Valid as long as
  // `rows`.
  std::optional<std::string_view> value() const noexcept;
};

class DatabaseConnection final : private postgres::NoticeLog {
 public:
  // `prepare`: prepare each statement once per connection. For a single request (CGI) that would only cost a round
  // trip.
  // `name`: what log lines call it, `database` or `primary`. `counters` outlive this.
  DatabaseConnection(const char* name, const std::string& conninfo, bool prepare, unsigned retry_after,
                     Counters& counters);
  ~DatabaseConnection();
  DatabaseConnection(const DatabaseConnection&) = delete;
  DatabaseConnection& operator=(const DatabaseConnection&) = delete;

  // Whether a connection is open and not known to be dead. Opens none.
  bool is_connected();

  // Whether the database's schema has at least this version. Opens a connection if none is open; if that fails, false,
  // with `log` as in Outcome.
  bool has_schema(int version, std::string& log);

  // Runs a statement and waits for its result. If a kept connection turns out to be dead, connects once more and
  // repeats the statement, provided that it surely was not executed, or is `repeatable`.
  Outcome run(const postgres::Statement& statement, bool repeatable);

  // Runs a statement that may be left out: only on a connection that is open, and not twice.
  Outcome run_if_connected(const postgres::Statement& statement);

 private:
  void notice(const char* line) noexcept override {
    reports_end_ = reports_end_ || postgres::ends_session(line);
    log_line(line);
  }

  bool connect(Outcome& outcome);
  bool set_up();
  bool begin_session();
  bool give_up_place();
  void report_away(Outcome& outcome, bool unusable);
  void report_back();
  bool kept_connection_lives();
  void disconnect() noexcept;
  postgres::ResultPtr wait_for_result();
  bool wait_for_socket(bool to_write, std::chrono::steady_clock::time_point deadline);
  bool is_lost() const;
  bool is_lost(const PGconn* connection) const;
  postgres::ResultPtr execute(const postgres::Statement& statement);
  postgres::ResultPtr execute_uncounted(const postgres::Statement& statement);
  bool needs_another_session(const PGresult* result, bool repeatable) const;
  bool may_repeat_here(const PGresult* result, bool& repeated);
  void settle_failure(Outcome& outcome);
  bool suspects_schema(const PGresult* result) const;
  void explain(const PGresult* result, Outcome& outcome);

  const char* name_;
  DatabasePlaces places_;
  bool prepare_;
  unsigned retry_after_;
  Counters& counters_;
  PGconn* connection_ = nullptr;
  postgres::SessionStart session_{"fallback"};
  std::chrono::steady_clock::time_point began_;  // the session
  std::optional<std::chrono::steady_clock::time_point> opening_until_;
  bool is_silent_ = false;    // an answer did not come in time: whatever arrives now is of no use
  bool reports_end_ = false;  // the server has said why it ends the session
  std::set<std::string> prepared_;
  std::chrono::steady_clock::time_point next_try_{};
  std::optional<std::chrono::steady_clock::time_point> away_since_;  // set when the log has the first line about it
  LogLimit away_log_{std::chrono::seconds(10)};
  LogLimit error_log_{std::chrono::seconds(1)};
};

}  // namespace pgevents::fallback
