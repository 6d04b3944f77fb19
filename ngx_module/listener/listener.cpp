// LISTEN first, then read what is new, then wait; see listener.hpp. PostgreSQL manual, LISTEN: a session that listens
// before it reads misses nothing that commits later.
#include "ngx_module/listener/listener.hpp"

#include <algorithm>

#include "postgres/result.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kTick = 250;
constexpr std::int64_t kLeaseTtl = 3'000;
constexpr ngx_msec_t kStatementTimeout = 10'000;
constexpr ngx_msec_t kFirstBackoff = 100;
constexpr ngx_msec_t kMaxBackoff = 2'000;
constexpr ngx_msec_t kProofTimeout = 3'000;
constexpr ngx_msec_t kWarnAgain = 60'000;
constexpr char kNoProof[] =
    "no notification arrives, because a pooler shares the session with other clients (transaction pooling); let the "
    "listener connect to PostgreSQL itself, or through session pooling";

}  // namespace

Listener::Listener(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations,
                   QueryPool& pool, std::uint64_t self, std::function<void()> wake, ngx_log_t* log)
    : conf_(conf),
      root_(root),
      ring_(ring),
      self_(self),
      wake_(std::move(wake)),
      log_(log),
      connection_(*this, log),
      writer_(conf, root, ring, revocations, self, wake_, log),
      probe_(pool),
      pruner_(conf, pool, log) {
  init_timer(tick_, this, &Listener::on_tick, log);
  init_timer(sweep_, this, &Listener::on_sweep, log);
}

Listener::~Listener() {
  stop();
}

// --- the lease ---

void Listener::start() {
  look();
  ngx_add_timer(&tick_, kTick);
}

void Listener::stop() noexcept {
  stop_timer(tick_);
  if (owner_) {
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" releases the lease", &conf_.name);
  }
  lose_lease();
  root_.lease.release(self_);
}

void Listener::on_tick(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  guarded(self->log_, [self] { self->look(); });
  ngx_add_timer(event, kTick);
}

void Listener::look() {
  if (keep_lease() && connection_.closed() && static_cast<ngx_msec_int_t>(ngx_current_msec - retry_at_) >= 0) {
    connect();
  }
}

// Renews the lease, or takes it if it is free. A worker that has lost the lease starts afresh even if it can have it
// again: its answers may be older than what another listener did meanwhile.
bool Listener::keep_lease() {
  const auto now = static_cast<std::int64_t>(ngx_current_msec);
  if (owner_ && !root_.lease.renew(self_, now, kLeaseTtl)) {
    ngx_log_error(NGX_LOG_WARN, log_, 0, "pgevents: lost the listener's lease of \"%V\" to another worker",
                  &conf_.name);
    lose_lease();
  }
  if (!owner_ && root_.lease.try_acquire(self_, now, kLeaseTtl)) {
    take_lease();
  }
  return owner_;
}

void Listener::take_lease() {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" takes the lease", &conf_.name);
  owner_ = true;
  backoff_ = 0;
  retry_at_ = ngx_current_msec;
  pruner_.start();
}

void Listener::lose_lease() noexcept {
  owner_ = false;
  stop_timer(sweep_);
  pruner_.stop();
  probe_.cancel();
  connection_.close();
}

// Only the owner of the lease may change this flag: a worker that lost the lease unnoticed must not overwrite what the
// new listener reports. (The new one changes it under the same lock.)
void Listener::set_connected(bool connected) noexcept {
  const ZoneLock lock(conf_.zone);
  if (owner_ && root_.lease.held_by(self_)) {
    root_.connected.store(connected ? 1 : 0);
    wake_();
  }
}

// --- the connection ---

void Listener::connect() noexcept {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" connects", &conf_.name);
  backoff_ = backoff_ == 0 ? kFirstBackoff : std::min(2 * backoff_, kMaxBackoff);
  retry_at_ = ngx_current_msec + backoff_;
  step_ = Step::kConnect;
  writer_.begin();
  connection_.open(conf_.keywords, conf_.values, kStatementTimeout);
}

void Listener::send(Step step, const Statement& statement) noexcept {
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" sends %s", &conf_.name, statement.sql.name);
  step_ = step;
  connection_.send(statement);
}

void Listener::pg_ready() {
  if (failed_) {
    failed_ = false;
    connection_.close();
    return set_connected(false);
  }
  switch (step_) {
    case Step::kConnect:
      again_ = false;
      return send(Step::kListen, {sql::kListen, {}});
    case Step::kListen:
      return send(Step::kBackend, {sql::kBackend, {}});
    case Step::kBackend:
      return probe_.pooled() ? send(Step::kProbeListen, probe_.listen())
                             : send(Step::kPosition, writer_.position_statement());
    case Step::kProbeListen:
      return wait_for_proof();
    case Step::kProbeUnlisten:
      return send(Step::kPosition, writer_.position_statement());
    case Step::kPosition:
      return send(Step::kRevocations, {sql::kRevocations, {}});
    case Step::kRevocations:
      step_ = Step::kPrepare;
      return connection_.prepare(sql::kLogAfter);
    case Step::kPrepare:
      return read_more();
    case Step::kRead:
      return page_read();
    case Step::kProof:
    case Step::kIdle:
      return;
  }
}

void Listener::take_backend(const PGresult* row) {
  pooled_ = std::strtol(PQgetvalue(row, 0, 0), nullptr, 10) != connection_.server_pid();
}

// A pooler that gives the session to others between two statements (pgbouncer in transaction mode) swallows what it is notified of. So
// the session has to show that a NOTIFY arrives while it is idle, and from another session: its own arrives before the
// statement is over, when the pooler has not yet let go.
void Listener::listen_for_probe() {
  step_ = Step::kProof;
  const SipKey random = random_sip_key();
  char name[48];
  *ngx_snprintf(reinterpret_cast<u_char*>(name), sizeof(name) - 1, "pgevents_probe_%016xL%016xL",
                static_cast<std::int64_t>(random.words[0]), static_cast<std::int64_t>(random.words[1])) = '\0';
  probe_ = name;
  probe_listen_ = "LISTEN " + probe_;
  connection_.send({probe_listen_.c_str(), {}}, false);
}

void Listener::wait_for_proof() {
  const auto query = std::make_shared<Query>();
  query->statement = {sql::kNotify, {probe_}};
  query->done = [](const QueryResult&) {};
  probe_query_ = query;
  ngx_add_timer(&sweep_, kProofTimeout);
  pool_.post(query);
}

void Listener::ask_position() {
  {
    const ZoneLock lock(conf_.zone);
    ring_.recover();
  }
  step_ = Step::kStart;
  const std::uint64_t last = ring_.snapshot().last_id;
  const std::int64_t ts_us = ring_.last_ts_us();
  std::optional<std::string> last_ts;  // NULL: the ring knows the id, but not the event
  if (ts_us != 0) {
    last_ts = std::to_string(ts_us);
  }
  connection_.send({sql::kListenerStart, {std::to_string(last), last_ts, std::to_string(conf_.preload)}}, false);
}

// Where to go on: behind the ring's newest event; or afresh, when the ring is empty, the log has been pruned beyond it, a new
// generation of ids has begun (a ring that held two would cover cursors of none), or the log was restored to an earlier state.
void Listener::take_position(const PGresult* row) {
  const std::uint64_t pruned = number(row, 1);
  const std::uint64_t start_after = number(row, 2);
  const bool continuous = *PQgetvalue(row, 0, 3) == 't';
  head_ = number(row, 0);
  const ZoneLock lock(conf_.zone);
  if (!root_.lease.owned_by(self_)) {
    return;  // the answer is about another ring than this one
  }
  const Ring::Snapshot before = ring_.snapshot();
  if (before.last_id == 0 || before.last_id < pruned || !continuous) {
    if (!continuous) {
      root_.forced_epoch.store(before.epoch + 1);  // first: a worker may look at any moment
      ngx_log_error(NGX_LOG_WARN, log_, 0,
                    "pgevents: the log of \"%V\" is in an earlier state than before (cursor %uL)", &conf_.name,
                    before.last_id);
    }
    ring_.reset(start_after);
    grown_ = true;
  }
}

// Whoever is not the listener any more may have read them before the new one did.
void Listener::take_revocations(const PGresult* rows) {
  const ZoneLock lock(conf_.zone);
  if (!root_.lease.owned_by(self_)) {
    return;
  }
  revocations_.replace([rows](Revocations& table) {
    for (int row = 0; row < PQntuples(rows); ++row) {
      table.set(text(rows, 0, row), std::strtoll(PQgetvalue(rows, row, 1), nullptr, 10));
    }
  });
}

void Listener::read_more() {
  const Ring::Snapshot now = ring_.snapshot();
  again_ = false;
  rows_ = 0;
  base_ = now.last_id;
  epoch_ = now.epoch;
  step_ = Step::kRead;
  connection_.send({kLogAfter, {std::to_string(base_), std::to_string(kRowsPerRead)}, true}, true);
}

void Listener::announce() noexcept {
  unannounced_ = 0;
  if (std::exchange(grown_, false)) {
    wake_();
  }
}

void Listener::caught_up() {
  step_ = Step::kIdle;
  backoff_ = 0;
  if (const auto from = std::exchange(swept_from_, std::nullopt); from && ring_.snapshot().last_id > *from) {
    unannounced_found_ = true;
  }
  announce();
  if (root_.connected.load() == 0) {
    set_connected(true);
    ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: listening to \"%V\" behind id %uL", &conf_.name,
                  ring_.snapshot().last_id);
  }
  ngx_add_timer(&sweep_, conf_.sweep);
}

void Listener::pg_result(const PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
      failed_ = !writer_.take_event(result) || failed_;  // a new connection reads it again
      return;
    case PGRES_TUPLES_OK:
      return take_rows(result);
    case PGRES_COMMAND_OK:
      return;
    default:
      return rejected(result);
  }
}

void Listener::take_event(const PGresult* row) {
  ++rows_;
  EventView event;
  event.id = number(row, 0);
  event.channel = text(row, 1);
  event.ts_us = std::strtoll(PQgetvalue(row, 0, 2), nullptr, 10);
  event.type = text(row, 3);
  event.data = text(row, 4);
  std::int64_t expires_ms = 0;
  if (PQgetisnull(row, 0, 5) == 0) {
    expires_ms = static_cast<std::int64_t>(ngx_current_msec) + std::strtoll(PQgetvalue(row, 0, 5), nullptr, 10);
  }
  const ZoneLock lock(conf_.zone);
  // Another worker may have taken over while this one was stopped. He has looked how far the ring is, under this lock, and asks the
  // log and the revocations behind that: what comes late must not move it. (tests/model/lease.pml)
  const Ring::Snapshot now = ring_.snapshot();
  if (!root_.lease.owned_by(self_) || now.epoch != epoch_ || now.last_id < base_ || event.id <= now.last_id) {
    return;
  }
  if (event.channel == kControlChannel && !guarded(log_, [&] { note_control(event); })) {
    failed_ = true;  // a new connection reads it again
    base_ = std::numeric_limits<std::uint64_t>::max();
    return;
  }
  ring_.append(event, expires_ms);
  grown_ = true;
  unannounced_ += event.data.size();
  if (unannounced_ > conf_.ring_size / 8) {  // before the ring overruns those who wait
    announce();
  }
}

void Listener::rejected(const PGresult* result) noexcept {
  failed_ = true;
  const postgres::SqlError error = postgres::error_of(result);
  ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: database \"%V\" rejected a statement of the listener: %s%s",
                &conf_.name, Printable(error.message).c_str(), postgres::advice(error.sqlstate));
}

void Listener::wait_for_proof() {
  step_ = Step::kProof;
  ngx_add_timer(&sweep_, kProofTimeout);
  probe_.notify();
}

void Listener::pg_notified(std::string_view channel) {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" was notified", &conf_.name);
  if (step_ == Step::kProof && probe_.is_proof(channel) && connection_.idle()) {
    stop_timer(sweep_);
    return send(Step::kProbeUnlisten, probe_.unlisten());
  }
  unannounced_found_ = false;
  swept_from_.reset();
  if (step_ == Step::kIdle && connection_.idle()) {
    return read_more();
  }
  again_ = true;
}

void Listener::pg_failed(const char* why) noexcept {
  step_ = Step::kIdle;
  failed_ = false;
  swept_from_.reset();
  unannounced_found_ = false;
  stop_timer(sweep_);
  if (root_.connected.load() != 0 || backoff_ == kFirstBackoff) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: the listener of \"%V\" has no connection to the database: %s",
                  &conf_.name, why);
  }
  set_connected(false);
}

// Not by who has lost the role without having noticed: another one may be connected. The next one takes the lock before he says so.
void Listener::set_connected(bool connected) noexcept {
  const ZoneLock lock(conf_.zone);
  if (holder_ && root_.lease.owned_by(self_)) {
    root_.connected.store(connected ? 1 : 0);
    wake_();
  }
  caught_up();
}

void Listener::caught_up() {
  step_ = Step::kIdle;
  backoff_ = 0;
  if (const auto from = std::exchange(swept_from_, std::nullopt); from && ring_.snapshot().last_id > *from) {
    unannounced_found_ = true;
  }
  writer_.announce();
  if (root_.connected.load() == 0) {
    set_connected(true);
    ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: listening to \"%V\" behind id %uL", &conf_.name,
                  ring_.snapshot().last_id);
  }
  ngx_add_timer(&sweep_, conf_.sweep);
}

// A lost notification delays events by at most this long. A dead connection is noticed because the page is not
// answered.
void Listener::on_sweep(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  const bool done = guarded(self->log_, [self] { self->sweep(); });
  if (!done) {
    self->connection_.fail("out of memory");  // otherwise nothing would start another read or sweep
  }
}

void Listener::sweep() {
  if (step_ == Step::kProof) {
    return connection_.fail(kNoProof);
  }
  if (step_ != Step::kIdle || !connection_.idle()) {
    return;
  }
  if (std::exchange(unannounced_found_, false)) {
    warn_of_missing_notifications();
  }
  swept_from_ = ring_.snapshot().last_id;
  read_more();
}

// One sweep after the one that found the events: their NOTIFY may have been on its way then.
void Listener::warn_of_missing_notifications() {
  if (ngx_current_msec - warned_at_ < kWarnAgain) {
    return;
  }
  warned_at_ = ngx_current_msec;
  ngx_log_error(NGX_LOG_WARN, log_, 0,
                "pgevents: events of \"%V\" came without a notification, as late as sweep= allows; enable the trigger "
                "log_notify, and let no pooler share the listener's session",
                &conf_.name);
}

}  // namespace pgevents::nginx
