// libpq, one statement at a time; see database_connection.hpp. Every wait ends: by the place's limit, by the server's
// statement_timeout, and by kAnswerTimeout if server or network stay silent. TCP keepalives end dead connections that
// are idle.
#include "fcgi_fallback/database_connection.hpp"

#include <poll.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "core/wire/sql_fault.hpp"
#include "postgres/answer.hpp"
#include "postgres/sqlstate.hpp"

namespace pgevents::fallback {

namespace {

using postgres::ResultPtr;
using postgres::Statement;
using postgres::succeeded;

constexpr std::chrono::seconds kSchemaIsRecent{5};  // a younger session need not ask for the schema's version again
constexpr std::chrono::seconds kConnectPause{1};  // after a failure requests are answered at once, without trying again
constexpr std::chrono::seconds kAnswerTimeout{12};  // longer than the server's own statement_timeout
constexpr int kMaxIdleReads = 10;
// The isolation level does not depend on the database's default, as in the module.
constexpr char kSessionSettings[] =
    "SET statement_timeout = 10000; SET client_min_messages = warning; SET default_transaction_isolation = 'read "
    "committed'";

}  // namespace

std::optional<std::string_view> Outcome::value() const noexcept {
  return rows == nullptr ? std::nullopt : postgres::answer_of(postgres::result_of(rows.get())).text;
}

DatabaseConnection::DatabaseConnection(const char* name, const std::string& conninfo, bool prepare,
                                       unsigned retry_after, Counters& counters)
    : name_(name), places_(conninfo), prepare_(prepare), retry_after_(retry_after), counters_(counters) {}

DatabaseConnection::~DatabaseConnection() {
  disconnect();
}

void DatabaseConnection::disconnect() noexcept {
  PQfinish(connection_);
  connection_ = nullptr;
  is_silent_ = false;
  reports_end_ = false;
  prepared_.clear();
}

bool DatabaseConnection::connect(Outcome& outcome) {
  outcome.error = database_away(retry_after_);
  if (std::chrono::steady_clock::now() < next_try_) {
    return false;
  }
  disconnect();
  places_.begin();
  bool unusable = false;
  while ((connection_ = places_.connect()) != nullptr) {
    session_.begin();
    opening_until_ = places_.deadline();
    const bool good = set_up() && begin_session();
    opening_until_.reset();
    if (good) {
      places_.connected();
      counters_.add(1, Counter::kDatabaseConnects);
      report_back();
      return true;
    }
    unusable = give_up_place();
  }
  next_try_ = std::chrono::steady_clock::now() + kConnectPause;
  report_away(outcome, unusable);
  return false;
}

// Whatever throws here, a session that cannot be used is not kept. True if the server accepted it, but its schema does
// not fit.
bool DatabaseConnection::give_up_place() {
  const bool silent = is_silent_;
  const bool unusable = session_.next() == postgres::SessionStart::Next::kFail && !is_lost();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> failed(std::exchange(connection_, nullptr), &PQfinish);
  disconnect();
  if (unusable) {
    places_.failed(session_.problem());
  } else {
    places_.failed(silent ? "the server is silent" : PQerrorMessage(failed.get()));
  }
  return unusable;
}

void DatabaseConnection::report_away(Outcome& outcome, bool unusable) {
  std::string text;
  if (unusable) {
    text = "the " + std::string(name_) + " cannot be used: ";
    text += places_.reasons();
  } else {
    text = "no connection to the " + std::string(name_) + ": ";
    text += places_.reasons().empty() ? "out of memory" : places_.reasons();
    text += "; check that PostgreSQL runs and accepts this connection";
  }
  if (away_log_.pass(text)) {
    outcome.log = text;
    if (!away_since_) {
      away_since_ = std::chrono::steady_clock::now();
    }
  }
}

void DatabaseConnection::report_back() {
  began_ = std::chrono::steady_clock::now();
  if (const auto since = std::exchange(away_since_, std::nullopt)) {
    log_line("the " + std::string(name_) + " is back after " +
             std::to_string(std::chrono::duration_cast<std::chrono::seconds>(began_ - *since).count()) + " s");
  }
}

bool DatabaseConnection::set_up() {
  if (connection_ == nullptr || PQstatus(connection_) != CONNECTION_OK) {
    return false;
  }
  postgres::log_notices(connection_, *this);
  return PQsetnonblocking(connection_, 1) == 0 && PQsendQuery(connection_, kSessionSettings) == 1 &&
         succeeded(wait_for_result().get());
}

// A database whose schema does not fit is not used at all.
bool DatabaseConnection::begin_session() {
  using Next = postgres::SessionStart::Next;
  while (session_.next() == Next::kAsk) {
    const Statement question = session_.statement();
    const ResultPtr answer = postgres::send(connection_, question) ? wait_for_result() : nullptr;
    if (is_lost()) {
      return false;
    }
    session_.take(answer.get(), PQdb(connection_));
  }
  return session_.next() == Next::kUse;
}

bool DatabaseConnection::is_connected() {
  return connection_ != nullptr && kept_connection_lives();
}

bool DatabaseConnection::has_schema(int version, std::string& log) {
  Outcome outcome;
  const bool connected = is_connected() || connect(outcome);
  log = outcome.log;
  return connected && session_.version() >= version;
}

// A server that ended has closed the socket, which libpq notices without a round trip. The server's last message comes
// first, the end only with the next read.
bool DatabaseConnection::kept_connection_lives() {
  if (is_lost()) {
    return false;
  }
  for (int reads = 0; reads < kMaxIdleReads; ++reads) {
    pollfd entry{PQsocket(connection_), POLLIN, 0};
    if (poll(&entry, 1, 0) <= 0) {
      return true;
    }
    if (PQconsumeInput(connection_) == 0 || PQstatus(connection_) != CONNECTION_OK) {
      return false;
    }
  }
  return false;  // a server that keeps sending unasked: open another connection
}

// A statement counts once it has a result, also an error; its preparation counts with its first execution.
ResultPtr DatabaseConnection::execute(const Statement& statement) {
  const auto start = std::chrono::steady_clock::now();
  ResultPtr result = execute_uncounted(statement);
  if (result != nullptr) {
    const auto took = std::chrono::steady_clock::now() - start;
    counters_.observe_query(statement.sql.name, std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  }
  return result;
}

ResultPtr DatabaseConnection::execute_uncounted(const Statement& statement) {
  if (!prepare_) {
    return postgres::send(connection_, statement) ? wait_for_result() : nullptr;
  }
  if (prepared_.count(statement.sql.name) == 0) {
    ResultPtr result = postgres::send_prepare(connection_, statement.sql) ? wait_for_result() : nullptr;
    if (!succeeded(result.get())) {
      return result;
    }
    prepared_.insert(statement.sql.name);
  }
  return postgres::send_prepared(connection_, statement) ? wait_for_result() : nullptr;
}

// Sends what is buffered and receives the last result, within kAnswerTimeout, or the time of the place. Null: the
// connection is of no further use.
ResultPtr DatabaseConnection::wait_for_result() {
  const auto deadline = opening_until_.value_or(std::chrono::steady_clock::now() + kAnswerTimeout);
  ResultPtr last;
  while (true) {
    const int unsent = PQflush(connection_);
    while (unsent == 0 && PQisBusy(connection_) == 0) {
      ResultPtr next(PQgetResult(connection_));
      if (next == nullptr) {
        return last;
      }
      if (postgres::begins_copy(next.get())) {
        return nullptr;
      }
      last = std::move(next);
    }
    if (unsent < 0 || !wait_for_socket(unsent > 0, deadline) || PQconsumeInput(connection_) == 0) {
      return nullptr;
    }
  }
}

bool DatabaseConnection::wait_for_socket(bool to_write, std::chrono::steady_clock::time_point deadline) {
  pollfd entry{PQsocket(connection_), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = left > 0 ? poll(&entry, 1, static_cast<int>(left)) : 0;
    if (ready > 0) {
      return true;
    }
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    is_silent_ = true;
    return false;
  }
}

// A statement whose answer libpq could not read for want of memory is still under way: no other one can be sent.
bool DatabaseConnection::is_lost() const {
  return is_lost(connection_);
}

bool DatabaseConnection::is_lost(const PGconn* connection) const {
  return is_silent_ || PQstatus(connection) != CONNECTION_OK || PQtransactionStatus(connection) == PQTRANS_ACTIVE;
}

// Whether another session may succeed where this one failed. A statement that was rejected has not been executed.
bool DatabaseConnection::needs_another_session(const PGresult* result, bool repeatable) const {
  if (is_lost()) {
    return repeatable;
  }
  return sql_fault(postgres::error_of(result).sqlstate) == SqlFault::kSession;
}

// Whether the statement may be repeated at once on the same session: after a conflict with other transactions, once;
// and without prepared statements, from now on, if one got lost.
bool DatabaseConnection::may_repeat_here(const PGresult* result, bool& repeated) {
  if (is_lost()) {
    return false;
  }
  const std::string_view sqlstate = postgres::error_of(result).sqlstate;
  if (prepare_ && postgres::lost_prepared_statement(sqlstate)) {
    prepare_ = false;
    repeated = true;
    log_line(
        "a prepared statement got lost: a pooler shares our sessions with other clients; going on without preparing");
    return true;
  }
  return sql_fault(sqlstate) == SqlFault::kConflict && !std::exchange(repeated, true);
}

void DatabaseConnection::explain(const PGresult* result, Outcome& outcome) {
  const postgres::SqlError error = postgres::error_of(result);
  outcome.error = is_lost() || error.sqlstate.empty()
                      ? database_away(retry_after_)
                      : error_from_sql(error.sqlstate, error.message, error.detail, retry_after_);
  if (postgres::is_raised_for_client(error.sqlstate)) {
    return;  // the client's own mistake
  }
  std::string text = "error of the " + std::string(name_) + ": ";
  if (is_silent_) {
    text += "no answer within " + std::to_string(kAnswerTimeout.count()) + " s";
  } else if (error.message.empty()) {
    text += PQerrorMessage(connection_);
  } else {
    text.append(error.sqlstate).append(": ").append(error.message).append(postgres::advice(error.sqlstate));
  }
  LogLimit& limit = outcome.error.status == 503 ? away_log_ : error_log_;
  if (limit.pass(text)) {
    outcome.log = text;
  }
}

Outcome DatabaseConnection::run(const Statement& statement, bool repeatable) {
  Outcome outcome;
  bool kept = is_connected();
  bool connected = kept;
  bool repeated = false;
  while (true) {
    outcome.rows.reset();
    if (!connected && !connect(outcome)) {
      return outcome;
    }
    connected = true;
    outcome.rows = execute(statement);
    if (succeeded(outcome.rows.get())) {
      outcome.error = internal_error();
      return outcome;
    }
    if (may_repeat_here(outcome.rows.get(), repeated)) {
      continue;
    }
    if (is_lost() && !reports_end_ && !postgres::ends_session(outcome.rows.get())) {
      places_.lost();
    }
    // Only a kept connection can have died unnoticed; what fails on a new one fails for another reason.
    if (!kept || !needs_another_session(outcome.rows.get(), repeatable) || std::exchange(repeated, true)) {
      break;
    }
    kept = connected = false;
  }
  settle_failure(outcome);
  return outcome;
}

Outcome DatabaseConnection::run_if_connected(const Statement& statement) {
  Outcome outcome;
  outcome.error = database_away(retry_after_);
  if (!is_connected()) {
    return outcome;
  }
  outcome.rows = execute(statement);
  if (!succeeded(outcome.rows.get())) {
    settle_failure(outcome);
  }
  return outcome;
}

// A statement that names what does not exist: the next session asks for the schema's version.
bool DatabaseConnection::suspects_schema(const PGresult* result) const {
  return postgres::schema_may_have_changed(postgres::error_of(result).sqlstate) &&
         std::chrono::steady_clock::now() - began_ > kSchemaIsRecent;
}

// Closes a connection that is of no further use; the next request opens another one.
void DatabaseConnection::settle_failure(Outcome& outcome) {
  const bool useless = needs_another_session(outcome.rows.get(), true) || suspects_schema(outcome.rows.get());
  explain(outcome.rows.get(), outcome);
  outcome.rows.reset();
  if (useless) {
    disconnect();
  }
}

}  // namespace pgevents::fallback
