// libpq in the event loop; see pg_connection.hpp. PostgreSQL manual, "Asynchronous Command Processing" and "Database
// Connection Control Functions". Events are level-triggered: libpq decides how much it reads, and after an edge the
// rest would stay unread.
#include "ngx_module/postgres/pg_connection.hpp"

#include <memory>

#include "postgres/result.hpp"

namespace pgevents::nginx {
namespace {

// The isolation level does not depend on the database's default: under a stricter one statements fail because of
// concurrent ones, and register() would take its cursor and its state, which must be newer, from the same snapshot.
// (Not set in the startup packet: that may hold the operator's own `options`, and poolers accept little of it.)
constexpr char kSettings[] = "SET default_transaction_isolation = 'read committed'";

constexpr char kNoSlot[] = "no connection slot is free; raise worker_connections";

}  // namespace

void PgConnection::open(ServerAddresses& servers, ngx_msec_t timeout) noexcept {
  close();
  ++generation_;
  servers_ = &servers;
  timeout_ = timeout;
  accepted_ = false;
  state_ = State::kLookingUp;
  init_timer(timer_, this, &PgConnection::on_timeout, log_);
  timer_.cancelable = 0;  // a worker that shuts down waits for the answer: a request may depend on it
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: connection %p to PostgreSQL: opening", this);
  const auto found = servers.find(*this);
  if (found != ServerAddresses::Found::kLater) {
    addresses_found(found == ServerAddresses::Found::kNow);
  }
}

void PgConnection::addresses_found(bool any) noexcept {
  if (!any) {
    return fail(Printable(servers_->why()).c_str());
  }
  guard([this] {
    servers_->begin(attempt_);
    connect();
  });
}

// --- from place to place ---

// Goes on to the next place at which an attempt can at least begin.
void PgConnection::connect() {
  state_ = State::kConnecting;
  while (servers_->next(attempt_)) {
    if (connect_to_place()) {
      return;
    }
  }
  fail(Printable(attempt_.reasons()).c_str());
}

// False: the place is given up already.
bool PgConnection::connect_to_place() {
  pg_ = servers_->connect(attempt_);
  if (pg_ == nullptr) {
    fail("out of memory");
    return true;
  }
  fatal_[0] = '\0';
  reports_end_ = false;
  postgres::log_notices(pg_, *this);
  if (PQstatus(pg_) == CONNECTION_BAD) {
    give_up_place(PQerrorMessage(pg_), Failure::kRejected);
    return false;
  }
  ngx_add_timer(&timer_, static_cast<ngx_msec_t>(attempt_.limit_seconds()) * 1'000);
  // The manual: before the first PQconnectPoll() behave as if it had returned PGRES_POLLING_WRITING.
  if (attach()) {
    watch(true);
  } else {
    fail(kNoSlot);
  }
  return true;
}

void PgConnection::give_up_place(const char* why, Failure failure) {
  const Printable line(why);  // libpq's message lives no longer than the connection
  servers_->failed(attempt_, failure, line.c_str());
  attempt_.add_reason(line.c_str());
  drop();
}

void PgConnection::accept() noexcept {
  accepted_ = true;
  servers_->connected(attempt_);
}

void PgConnection::send(const Statement& statement) noexcept {
  guard([&] { sent(postgres::send(pg_, statement)); });
}

void PgConnection::send_prepared_by_row(const Statement& statement) noexcept {
  guard([&] { sent(postgres::send_prepared(pg_, statement) && PQsetSingleRowMode(pg_) == 1); });
}

void PgConnection::prepare(const postgres::SqlText& sql) noexcept {
  guard([&] { sent(postgres::send_prepare(pg_, sql)); });
}

void PgConnection::sent(bool accepted) {
  if (!accepted) {
    return fail_by_libpq();
  }
  state_ = State::kBusy;
  arm_timer();
  flush();
}

void PgConnection::close() noexcept {
  if (state_ == State::kClosed) {
    return;
  }
  state_ = State::kClosed;
  servers_->forget(*this);
  drop();
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: connection %p to PostgreSQL: closed", this);
}

// Ends the connection to the present place.
void PgConnection::drop() noexcept {
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
}

void PgConnection::fail(const char* why) noexcept {
  if (state_ > State::kSettingUp && !accepted_) {
    servers_->failed(attempt_, Failure::kRejected, why);
  }
  close();
  owner_.pg_failed(why);
}

// A server that ends an idle session reports why in a notice; libpq's message only says then that the connection broke.
// That message lives as long as the connection. It may hold several lines, and text of the server.
void PgConnection::fail_by_libpq() {
  const Printable why(fatal_[0] != '\0' ? fatal_ : PQerrorMessage(pg_));
  if (state_ > State::kSettingUp) {
    return lost(why.c_str());
  }
  give_up_place(why.c_str(), Failure::kRejected);
  connect();
}

// A session that was good broke off. Without a word of its server, that may be gone: others are tried first.
void PgConnection::lost(const char* why) noexcept {
  if (accepted_ && !reports_end_) {
    servers_->failed(attempt_, Failure::kRejected, why);
  }
  fail(why);
}

void PgConnection::notice(const char* line) noexcept {
  if (postgres::ends_session(line)) {
    reports_end_ = true;
    ngx_cpystrn(reinterpret_cast<u_char*>(fatal_), reinterpret_cast<u_char*>(const_cast<char*>(line)), sizeof(fatal_));
  }
  ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: %s", line);
}

template <typename Body>
void PgConnection::guard(Body&& body) noexcept {
  if (!guarded(log_, body) && !closed()) {
    fail("out of memory");
  }
}

void PgConnection::arm_timer() {
  ngx_add_timer(&timer_, timeout_);
}

// The socket may change between two calls, even under the same number. So its events are removed before each call and
// registered anew after it.
void PgConnection::continue_connecting() {
  detach();
  const PostgresPollingStatusType status = PQconnectPoll(pg_);
  if (status == PGRES_POLLING_FAILED) {
    return fail_by_libpq();
  }
  if (!attach()) {
    return fail(kNoSlot);
  }
  if (status != PGRES_POLLING_OK) {
    return watch(status == PGRES_POLLING_WRITING);
  }
  PQsetnonblocking(pg_, 1);
  set_up();
}

void PgConnection::set_up() {
  if (PQsendQuery(pg_, kSettings) != 1) {
    return fail_by_libpq();
  }
  state_ = State::kSettingUp;  // within the same time
  flush();
}

void PgConnection::take_settings() {
  while (PQisBusy(pg_) == 0) {
    const postgres::ResultPtr result(PQgetResult(pg_));
    if (result == nullptr) {
      state_ = State::kIdle;
      stop_timer(timer_);
      ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: connection %p to PostgreSQL: ready", this);
      return owner_.pg_ready();
    }
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      return fail_by_libpq();
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

// While connecting, libpq waits for one direction at a time; afterwards always for input, and for output only while
// PQflush() has more.
void PgConnection::watch(bool want_write) {
  const bool want_read = state_ != State::kConnecting || !want_write;
  if (!register_event(connection_->read, NGX_READ_EVENT, want_read) ||
      !register_event(connection_->write, NGX_WRITE_EVENT, want_write)) {
    fail("the event loop does not accept the socket");
  }
}

void PgConnection::flush() {
  const int more = PQflush(pg_);
  if (more < 0) {
    return fail_by_libpq();
  }
  watch(more == 1);
}

void PgConnection::receive() {
  const auto generation = generation_;
  if (PQconsumeInput(pg_) != 1) {
    return fail_by_libpq();
  }
  if (state_ == State::kSettingUp) {
    take_settings();
  } else if (state_ == State::kBusy) {
    deliver_results();
  }
  if (generation == generation_ && !deliver_notifications()) {
    return;
  }
  // While PQflush() has more, the server may wait until its output is read. It has been read now: go on writing.
  if (generation == generation_ && connection_->write->active) {
    flush();
  }
}

void PgConnection::deliver_results() {
  const auto generation = generation_;
  while (state_ == State::kBusy && PQisBusy(pg_) == 0) {
    const postgres::ResultPtr result(PQgetResult(pg_));
    if (result == nullptr) {
      state_ = State::kIdle;
      stop_timer(timer_);
      return owner_.pg_ready();
    }
    if (postgres::begins_copy(result.get())) {
      return lost("the server began a COPY, which was not asked for");
    }
    reports_end_ = reports_end_ || postgres::ends_session(result.get());
    owner_.pg_result(result.get());
    if (generation != generation_) {
      return;
    }
    arm_timer();
  }
}

bool PgConnection::deliver_notifications() {
  const auto generation = generation_;
  bool any = false;
  while (PGnotify* const next = PQnotifies(pg_)) {
    const std::unique_ptr<PGnotify, decltype(&PQfreemem)> notification(next, &PQfreemem);
    any = true;
    owner_.pg_notified({notification->relname, notification->extra, notification->be_pid});
    if (generation != generation_) {
      return false;
    }
  }
  if (any) {
    owner_.pg_all_notified();
  }
  return generation == generation_;
}

void PgConnection::on_read(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(static_cast<ngx_connection_t*>(event->data)->data);
  self->guard([self] { self->state_ == State::kConnecting ? self->continue_connecting() : self->receive(); });
}

void PgConnection::on_write(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(static_cast<ngx_connection_t*>(event->data)->data);
  self->guard([self] { self->state_ == State::kConnecting ? self->continue_connecting() : self->flush(); });
}

void PgConnection::on_timeout(ngx_event_t* event) {
  auto* self = static_cast<PgConnection*>(event->data);
  self->guard([self] { self->timed_out(); });
}

void PgConnection::timed_out() {
  if (state_ > State::kSettingUp) {
    return lost("timed out waiting for an answer");
  }
  give_up_place(("connection to " + postgres::text_of(attempt_.place()) + " timed out while connecting").c_str(),
                Failure::kSilent);
  connect();
}

}  // namespace pgevents::nginx
