// libpq in the event loop; see pg_connection.hpp. PostgreSQL manual, "Asynchronous Command Processing" and "Database Connection
// Control Functions". Level-triggered on purpose: libpq reads what it likes, and an edge would leave the rest unread.
#include "ngx_module/postgres/pg_connection.hpp"

#include <memory>

namespace pgevents::nginx {
namespace {

// Whatever is usual in the database: under a stricter level statements fail for the sake of others, and register()'s cursor, which comes
// before the state, would be of the same snapshot. (Not in the startup packet, which may hold the operator's own `options`, and of which
// poolers take little.)
constexpr char kSettings[] = "SET default_transaction_isolation = 'read committed'";

}  // namespace

void PgConnection::open(const char* const* keywords, const char* const* values, ngx_msec_t timeout) noexcept {
  close();
  ++generation_;
  timeout_ = timeout;
  state_ = State::kConnecting;
  init_timer(timer_, this, &PgConnection::on_timeout, log_);
  timer_.cancelable = 0;  // a leaving worker waits for the answer: a request may depend on it
  pg_ = PQconnectStartParams(keywords, values, 0);
  if (pg_ == nullptr) {
    return fail("out of memory");
  }
  PQsetNoticeReceiver(pg_, &PgConnection::on_notice, this);
  if (PQstatus(pg_) == CONNECTION_BAD) {
    return fail_as_libpq_says();
  }
  arm_timer();
  // The manual: before the first PQconnectPoll behave as if it had answered PGRES_POLLING_WRITING.
  if (!attach()) {
    return fail("no connection slot is free (worker_connections)");
  }
  watch(true);
}

void PgConnection::send(const Statement& statement, bool single_row) noexcept {
  attempt([&] { send_now(statement, single_row); });
}

void PgConnection::send_now(const Statement& statement, bool single_row) {
  std::vector<const char*> values;
  values.reserve(statement.params.size());
  for (const auto& param : statement.params) {
    values.push_back(param ? param->c_str() : nullptr);
  }
  const int count = static_cast<int>(values.size());
  const int accepted = statement.prepared
                           ? PQsendQueryPrepared(pg_, statement.sql, count, values.data(), nullptr, nullptr, 0)
                           : PQsendQueryParams(pg_, statement.sql, count, nullptr, values.data(), nullptr, nullptr, 0);
  sent(accepted == 1 && (!single_row || PQsetSingleRowMode(pg_) == 1));
}

void PgConnection::prepare(const char* name, const char* sql) noexcept {
  attempt([&] { sent(PQsendPrepare(pg_, name, sql, 0, nullptr) == 1); });
}

void PgConnection::sent(bool accepted) {
  if (!accepted) {
    return fail_as_libpq_says();
  }
  state_ = State::kBusy;
  arm_timer();
  flush();
}

void PgConnection::close() noexcept {
  if (pg_ == nullptr) {
    return;
  }
  ++generation_;
  stop_timer(timer_);
  detach();
  if (connection_ != nullptr) {
    connection_->fd = static_cast<ngx_socket_t>(-1);  // libpq owns the socket
    ngx_free_connection(connection_);
    connection_ = nullptr;
  }
  PQfinish(pg_);
  pg_ = nullptr;
  state_ = State::kClosed;
}

void PgConnection::fail(const char* why) noexcept {
  close();
  state_ = State::kClosed;
  owner_.pg_failed(why);
}

// libpq's message goes with the connection. It may hold several lines, and words of the server's.
void PgConnection::fail_as_libpq_says() noexcept {
  fail(Printable(PQerrorMessage(pg_)).c_str());
}

// Called by libpq, which is C.
void PgConnection::on_notice(void* self, const PGresult* notice) {
  const char* const text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY);
  if (text != nullptr) {
    ngx_log_error(NGX_LOG_NOTICE, static_cast<PgConnection*>(self)->log_, 0, "pgevents: PostgreSQL says: %s: %s",
                  Printable(severity == nullptr ? "NOTICE" : severity).c_str(), Printable(text).c_str());
  }
}

template <typename Body>
void PgConnection::attempt(Body&& body) noexcept {
  if (!guarded(log_, body) && !closed()) {
    fail("out of memory");
  }
}

void PgConnection::arm_timer() {
  ngx_add_timer(&timer_, timeout_);
}

// The socket may change between two calls, even under the same number: its events are removed before each call and
// registered afresh behind it.
void PgConnection::continue_connecting() {
  detach();
  const PostgresPollingStatusType status = PQconnectPoll(pg_);
  if (status == PGRES_POLLING_FAILED) {
    return fail_as_libpq_says();
  }
  if (!attach()) {
    return fail("no connection slot is free (worker_connections)");
  }
  if (status != PGRES_POLLING_OK) {
    return watch(status == PGRES_POLLING_WRITING);
  }
  PQsetnonblocking(pg_, 1);
  set_up();
}

void PgConnection::set_up() {
  if (PQsendQuery(pg_, kSettings) != 1) {
    return fail_as_libpq_says();
  }
  state_ = State::kSettingUp;
  arm_timer();
  flush();
}

void PgConnection::take_settings() {
  while (PQisBusy(pg_) == 0) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(pg_), &PQclear);
    if (result == nullptr) {
      state_ = State::kIdle;
      stop_timer(timer_);
      return owner_.pg_ready();
    }
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      return fail_as_libpq_says();
    }
  }
}

bool PgConnection::attach() {
  const int fd = PQsocket(pg_);
  if (fd < 0) {
    return false;
  }
  if (connection_ == nullptr) {
    connection_ = ngx_get_connection(fd, log_);
    if (connection_ == nullptr) {
      return false;
    }
    connection_->data = this;
    connection_->log = log_;
    connection_->read->handler = &PgConnection::on_read;
    connection_->write->handler = &PgConnection::on_write;
    connection_->read->log = log_;
    connection_->write->log = log_;
  }
  connection_->fd = fd;
  return true;
}

void PgConnection::detach() noexcept {
  if (connection_ == nullptr) {
    return;
  }
  register_event(connection_->read, NGX_READ_EVENT, false);
  register_event(connection_->write, NGX_WRITE_EVENT, false);
}

// libpq closes its socket when the connection breaks; the kernel has then forgotten its events already.
bool PgConnection::register_event(ngx_event_t* event, ngx_int_t which, bool wanted) {
  if (!wanted && event->posted) {
    ngx_delete_posted_event(event);
  }
  const ngx_uint_t flags = PQsocket(pg_) == connection_->fd ? 0 : NGX_CLOSE_EVENT;
  if (wanted == static_cast<bool>(event->active)) {
    return true;
  }
  return (wanted ? ngx_add_event(event, which, NGX_LEVEL_EVENT) : ngx_del_event(event, which, flags)) == NGX_OK;
}

// While connecting libpq wants one direction at a time; afterwards reading always, writing only while PQflush has more.
void PgConnection::watch(bool want_write) {
  const bool want_read = state_ != State::kConnecting || !want_write;
  if (!register_event(connection_->read, NGX_READ_EVENT, want_read) ||
      !register_event(connection_->write, NGX_WRITE_EVENT, want_write)) {
    fail("the event loop refused the socket");
  }
}

void PgConnection::flush() {
  const int more = PQflush(pg_);
  if (more < 0) {
    return fail_as_libpq_says();
  }
  watch(more == 1);
}

void PgConnection::receive() {
  const auto generation = generation_;
  if (PQconsumeInput(pg_) != 1) {
    return fail_as_libpq_says();
  }
  if (state_ == State::kSettingUp) {
    take_settings();
  } else if (state_ == State::kBusy) {
    deliver_results();
  }
  if (generation == generation_ && !deliver_notifications()) {
    return;
  }
  // While PQflush has more, the server may wait for us to read: now that we have, go on writing.
  if (generation == generation_ && connection_->write->active) {
    flush();
  }
}

void PgConnection::deliver_results() {
  const auto generation = generation_;
  while (state_ == State::kBusy && PQisBusy(pg_) == 0) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(pg_), &PQclear);
    if (result == nullptr) {
      state_ = State::kIdle;
      stop_timer(timer_);
      return owner_.pg_ready();
    }
    owner_.pg_result(result.get());
    if (generation != generation_) {
      return;
    }
    arm_timer();
  }
}

bool PgConnection::deliver_notifications() {
  const auto generation = generation_;
  std::string last;
  while (PGnotify* const next = PQnotifies(pg_)) {
    const std::unique_ptr<PGnotify, decltype(&PQfreemem)> notification(next, &PQfreemem);
    if (last == notification->relname) {
      continue;
    }
    last = notification->relname;
    owner_.pg_notified(last);
    if (generation != generation_) {
      return false;
    }
  }
  return true;
}

void PgConnection::on_read(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(static_cast<ngx_connection_t*>(event->data)->data);
  self->attempt([self] { self->state_ == State::kConnecting ? self->continue_connecting() : self->receive(); });
}

void PgConnection::on_write(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(static_cast<ngx_connection_t*>(event->data)->data);
  self->attempt([self] { self->state_ == State::kConnecting ? self->continue_connecting() : self->flush(); });
}

void PgConnection::on_timeout(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(event->data);
  self->fail(self->state_ <= State::kSettingUp ? "timed out while connecting" : "timed out waiting for an answer");
}

}  // namespace pgevents::nginx
