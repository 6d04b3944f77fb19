// libpq, one statement at a time. Every wait has an end: connect_timeout, the server's statement_timeout, and for a
// server or network that is silent for good kAnswerTimeout; TCP keepalives end connections that are idle.
#include "fcgi_fallback/database.hpp"

#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

namespace pgevents::fallback {

namespace {

constexpr std::chrono::seconds kConnectPause{1};    // after a failure, requests are answered at once for so long
constexpr std::chrono::seconds kAnswerTimeout{12};  // longer than the server's own statement_timeout
constexpr int kMaxIdleReads = 10;
// The isolation as in the module: whatever is usual in the database.
constexpr char kSessionSettings[] =
    "SET statement_timeout = 10000; SET client_min_messages = warning; SET default_transaction_isolation = 'read "
    "committed'";

struct OptionsDeleter {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// Parameters before `dbname` are defaults that the connection string may change, those behind it are not (PostgreSQL
// manual, PQconnectdbParams with expand_dbname).
PGconn* connect_with(const char* conninfo) {
  const char* const keywords[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                                  "keepalives_count", "tcp_user_timeout", "fallback_application_name",
                                  "dbname",           "client_encoding",  nullptr};
  const char* const values[] = {"5", "10", "5", "3", "15000", "pgevents-fcgi", conninfo, "UTF8", nullptr};
  return PQconnectdbParams(keywords, values, 1);
}

// Called by libpq, which is C: nothing may be thrown.
void receive_notice(void*, const PGresult* result) noexcept {
  const char* const text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (text == nullptr) return;
  char line[1024];
  std::snprintf(line, sizeof line, "PostgreSQL says: %s", text);
  log_line(line);
}

std::string_view field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text != nullptr ? std::string_view(text) : std::string_view();
}

bool succeeded(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

// A prepared statement that is gone, or there already: a pooler gives each transaction another session (or we had no memory for the
// answer when it was made).
bool is_about_preparing(std::string_view sqlstate) {
  return sqlstate == "26000" || sqlstate == "42P05";
}

}  // namespace

Database::Database(std::string conninfo, bool prepare, unsigned retry_after)
    : conninfo_(std::move(conninfo)), prepare_(prepare), retry_after_(retry_after) {}

Database::~Database() {
  disconnect();
}

bool Database::conninfo_is_readable(const std::string& conninfo) {
  // Text without `=` that is no URI is a database name.
  const bool is_uri = conninfo.find("://") != std::string::npos;
  if (!is_uri && conninfo.find('=') == std::string::npos) return true;
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, OptionsDeleter> parsed(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);
  return parsed != nullptr;
}

void Database::disconnect() noexcept {
  PQfinish(connection_);
  connection_ = nullptr;
  is_silent_ = false;
  prepared_.clear();
}

bool Database::connect(Outcome& outcome) {
  outcome.error = database_away(retry_after_);
  if (std::chrono::steady_clock::now() < next_try_) return false;
  disconnect();
  connection_ = connect_with(conninfo_.c_str());
  bool ready = connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK;
  if (ready) {
    PQsetNoticeReceiver(connection_, receive_notice, nullptr);
    ready = PQsetnonblocking(connection_, 1) == 0 && PQsendQuery(connection_, kSessionSettings) == 1 &&
            succeeded(wait_for_result().get());
  }
  if (ready) return true;
  next_try_ = std::chrono::steady_clock::now() + kConnectPause;
  // Whatever is thrown from here on, a session without its settings is not kept.
  const std::unique_ptr<PGconn, decltype(&PQfinish)> failed(std::exchange(connection_, nullptr), &PQfinish);
  std::string text = "no connection to the database: ";
  text += failed != nullptr ? PQerrorMessage(failed.get()) : "no memory";
  if (away_log_.pass(text)) outcome.log = text;
  return false;
}

bool Database::is_connected() {
  return connection_ != nullptr && kept_connection_lives();
}

// A server that ended has closed the socket: libpq finds that out without a round trip. Its farewell comes first, the
// end only with the next read.
bool Database::kept_connection_lives() {
  if (is_lost()) return false;
  for (int reads = 0; reads < kMaxIdleReads; ++reads) {
    pollfd entry{PQsocket(connection_), POLLIN, 0};
    if (poll(&entry, 1, 0) <= 0) return true;
    if (PQconsumeInput(connection_) == 0 || PQstatus(connection_) != CONNECTION_OK) return false;
  }
  return false;  // it talks without being asked: not worth keeping
}

ResultPtr Database::execute(const Statement& statement, const char* const* values, int count) {
  if (!prepare_) {
    const int sent = PQsendQueryParams(connection_, statement.sql, count, nullptr, values, nullptr, nullptr, 0);
    return sent == 1 ? wait_for_result() : ResultPtr();
  }
  if (prepared_.count(statement.name) == 0) {
    if (PQsendPrepare(connection_, statement.name, statement.sql, 0, nullptr) != 1) return ResultPtr();
    ResultPtr result = wait_for_result();
    if (!succeeded(result.get())) return result;
    prepared_.insert(statement.name);
  }
  const int sent = PQsendQueryPrepared(connection_, statement.name, count, values, nullptr, nullptr, 0);
  return sent == 1 ? wait_for_result() : ResultPtr();
}

// What was sent goes out and its last result comes in, by kAnswerTimeout; after that the connection is given up: null.
ResultPtr Database::wait_for_result() {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  ResultPtr last;
  while (true) {
    const int unsent = PQflush(connection_);
    while (unsent == 0 && PQisBusy(connection_) == 0) {
      ResultPtr next(PQgetResult(connection_));
      if (next == nullptr) return last;
      last = std::move(next);
    }
    if (unsent < 0 || !wait_for_socket(unsent > 0, deadline) || PQconsumeInput(connection_) == 0) return nullptr;
  }
}

bool Database::wait_for_socket(bool to_write, std::chrono::steady_clock::time_point deadline) {
  pollfd entry{PQsocket(connection_), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = left > 0 ? poll(&entry, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) continue;
    is_silent_ = true;
    return false;
  }
}

// A statement whose answer libpq had no memory to read is still under way: no other can be sent.
bool Database::is_lost() const {
  return is_silent_ || PQstatus(connection_) != CONNECTION_OK || PQtransactionStatus(connection_) == PQTRANS_ACTIVE;
}

// Whether another session may do what this one cannot. A statement that was refused has not been executed.
bool Database::needs_another_session(const PGresult* result, bool repeatable) const {
  if (is_lost()) return repeatable;
  return sql_fault(field(result, PG_DIAG_SQLSTATE)) == SqlFault::kSession;
}

// What may be done at once on the same session: again after a conflict with others, once; and without prepared statements where they get
// lost, from now on.
bool Database::may_repeat_here(const PGresult* result, bool& repeated) {
  if (is_lost()) return false;
  const std::string_view sqlstate = field(result, PG_DIAG_SQLSTATE);
  if (prepare_ && is_about_preparing(sqlstate)) {
    prepare_ = false;
    repeated = true;
    log_line("a prepared statement got lost: a pooler shares our sessions with others; we go on without preparing");
    return true;
  }
  return sql_fault(sqlstate) == SqlFault::kConflict && !std::exchange(repeated, true);
}

void Database::explain(const PGresult* result, Outcome& outcome) {
  const std::string_view sqlstate = field(result, PG_DIAG_SQLSTATE);
  const std::string_view message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  outcome.error = is_lost() || sqlstate.empty()
                      ? database_away(retry_after_)
                      : error_from_sql(sqlstate, message, field(result, PG_DIAG_MESSAGE_DETAIL), retry_after_);
  if (sqlstate.substr(0, 2) == "PT") return;  // the client's own mistake
  std::string text = "database error ";
  if (is_silent_) {
    text += "no answer within " + std::to_string(kAnswerTimeout.count()) + " s";
  } else if (message.empty()) {
    text += PQerrorMessage(connection_);
  } else {
    text.append(sqlstate).append(": ").append(message);
  }
  LogLimit& limit = outcome.error.status == 503 ? away_log_ : error_log_;
  if (limit.pass(text)) outcome.log = text;
}

Outcome Database::run(const Statement& statement, const char* const* values, int count, bool repeatable) {
  Outcome outcome;
  bool kept = is_connected();
  bool connected = kept;
  bool repeated = false;
  while (true) {
    outcome.rows.reset();
    if (!connected && !connect(outcome)) return outcome;
    connected = true;
    outcome.rows = execute(statement, values, count);
    if (succeeded(outcome.rows.get())) return outcome;
    if (may_repeat_here(outcome.rows.get(), repeated)) continue;
    // Only a kept connection can have gone stale; what fails on a new one fails for another reason.
    if (!kept || !needs_another_session(outcome.rows.get(), repeatable) || std::exchange(repeated, true)) break;
    kept = connected = false;
  }
  settle_failure(outcome);
  return outcome;
}

Outcome Database::run_if_connected(const Statement& statement, const char* const* values, int count) {
  Outcome outcome;
  outcome.error = database_away(retry_after_);
  if (!is_connected()) return outcome;
  outcome.rows = execute(statement, values, count);
  if (!succeeded(outcome.rows.get())) settle_failure(outcome);
  return outcome;
}

// A connection that is of no further use is given up; the next request makes another.
void Database::settle_failure(Outcome& outcome) {
  const bool useless = needs_another_session(outcome.rows.get(), true);
  explain(outcome.rows.get(), outcome);
  outcome.rows.reset();
  if (useless) disconnect();
}

}  // namespace pgevents::fallback
