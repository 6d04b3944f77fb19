// LISTEN first, then read what is new, then wait; see listener.hpp, and listener_lease.cpp for which worker does so.
// PostgreSQL manual, LISTEN: a session that listens before it reads misses nothing that commits later.
#include "ngx_module/listener/listener.hpp"

#include <algorithm>

#include "core/metrics/clock.hpp"
#include "postgres/result.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kStatementTimeout = 10'000;
constexpr ngx_msec_t kFirstBackoff = 100;
constexpr ngx_msec_t kMaxBackoff = 2'000;
constexpr ngx_msec_t kProofTimeout = 3'000;
constexpr char kNoProof[] =
    "no notification arrives, because a pooler shares the session with other clients (transaction pooling); let the "
    "listener connect to PostgreSQL itself, or through session pooling";

}  // namespace

Listener::Listener(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations,
                   const Pools& pools, ServerAddresses& servers, std::uint64_t self, std::function<void()> wake,
                   Metrics& metrics, ngx_log_t* log)
    : conf_(conf),
      servers_(servers),
      root_(root),
      ring_(ring),
      self_(self),
      wake_(std::move(wake)),
      metrics_(metrics),
      log_(log),
      connection_(*this, log),
      service_log_(conf, root, log),
      writer_(conf, root, ring, revocations, self, wake_, metrics, log),
      probe_(pools.reading),
      watch_(conf, root, metrics, log),
      copy_state_(conf, root, log),
      sequencer_(conf, metrics, log, [this] { or_fail([this] { go_on(); }); }),
      pruner_(conf, root, pools.writing, metrics, log) {
  init_timer(tick_, this, &Listener::on_tick, log);
  init_timer(sweep_, this, &Listener::on_sweep, log);
  init_timer(read_, this, &Listener::on_read, log);
}

Listener::~Listener() {
  stop();
}

// --- the connection ---

void Listener::connect() noexcept {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" connects", &conf_.name);
  backoff_ = backoff_ == 0 ? kFirstBackoff : std::min(2 * backoff_, kMaxBackoff);
  retry_at_ = ngx_current_msec + backoff_;
  step_ = Step::kConnect;
  reason_ = AwayReason::kCannotConnect;
  session_.begin();
  writer_.begin();
  is_new_ = true;
  connection_.open(servers_, kStatementTimeout);
}

void Listener::send(Step step, const Statement& statement) noexcept {
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" sends %s", &conf_.name, statement.sql.name);
  step_ = step;
  asked_ = statement.sql;
  asked_us_ = monotonic_us();
  connection_.send(statement);
}

// Before LISTEN: a database whose schema does not fit is not served at all.
void Listener::begin_session() {
  reason_ = AwayReason::kLostConnection;
  switch (session_.next()) {
    case postgres::SessionStart::Next::kAsk:
      return send(Step::kSession, session_.statement());
    case postgres::SessionStart::Next::kFail:
      return fail(AwayReason::kUnusable, session_.problem().c_str());
    case postgres::SessionStart::Next::kUse:
      connection_.accept();
      again_ = false;
      return send(Step::kListen, {sql::kListen, {}});
  }
}

// Where a timer calls: otherwise nothing would start another read, sweep or round.
template <typename Body>
void Listener::or_fail(Body&& body) noexcept {
  if (!guarded(log_, body)) {
    connection_.fail("out of memory");
  }
}

void Listener::fail(AwayReason reason, const char* why) noexcept {
  reason_ = reason;
  connection_.fail(why);
}

// Connecting and preparing are no statements.
void Listener::observe_answer() noexcept {
  if (const std::int64_t asked_us = std::exchange(asked_us_, 0); asked_us != 0) {
    metrics_.observe(monotonic_us() - asked_us, Metric::kQueryDuration, statement_label(asked_.name));
  }
}

void Listener::pg_ready() {
  observe_answer();
  if (failed_) {
    return rejection_.empty() ? connection_.fail("out of memory") : fail(AwayReason::kRejected, rejection_.c_str());
  }
  switch (step_) {
    case Step::kConnect:
    case Step::kSession:
      return begin_session();
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
    case Step::kCopyState:
      step_ = Step::kIdle;
      return go_on();
    case Step::kSequence:
      return sequenced();
    case Step::kProof:
    case Step::kIdle:
      return;
  }
}

void Listener::pg_result(const PGresult* result) {
  if (step_ == Step::kSession) {
    return session_.take(result, connection_.database());
  }
  if (step_ == Step::kCopyState) {
    return copy_state_.take(result);
  }
  if (step_ == Step::kSequence) {
    return sequencer_.take(result);
  }
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

void Listener::take_rows(const PGresult* rows) {
  const bool one = PQntuples(rows) == 1;
  if (step_ == Step::kBackend && one) {
    probe_.take_backend(rows, connection_.server_pid());
  } else if (step_ == Step::kPosition && one) {
    writer_.take_position(rows);
  } else if (step_ == Step::kRevocations) {
    writer_.take_revocations(rows);
  }
}

void Listener::rejected(const PGresult* result) noexcept {
  failed_ = true;
  const postgres::SqlError error = postgres::error_of(result);
  guarded(log_, [&] { rejection_.assign(Printable(error.message).c_str()).append(postgres::advice(error.sqlstate)); });
}

void Listener::wait_for_proof() {
  step_ = Step::kProof;
  ngx_add_timer(&sweep_, kProofTimeout);
  probe_.notify();
}

// Its own notifications tell the listener nothing: it reads behind what it has sequenced anyway.
void Listener::pg_notified(const PgConnection::Notification& notification) {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" was notified", &conf_.name);
  if (step_ == Step::kProof && probe_.is_proof(notification.channel) && connection_.idle()) {
    stop_timer(sweep_);
    return send(Step::kProbeUnlisten, probe_.unlisten());
  }
  watch_.notified();
  if (notification.pid != probe_.backend()) {
    sequencer_.notified(notification.payload);
    again_ = true;
  }
}

void Listener::pg_all_notified() {
  if (step_ == Step::kIdle && connection_.idle() && again_ && read_.timer_set == 0) {
    read_more();
  }
}

void Listener::pg_failed(const char* why) noexcept {
  step_ = Step::kIdle;
  asked_us_ = 0;
  failed_ = false;
  watch_.forget();
  stop_timer(sweep_);
  stop_timer(read_);
  sequencer_.stop();
  if (set_connected(false)) {
    service_log_.away(reason_, why);
  }
  rejection_.clear();
}

// --- pages ---

void Listener::read_more() {
  again_ = false;
  const Statement statement = writer_.page_statement();
  step_ = Step::kRead;
  asked_ = statement.sql;
  asked_us_ = monotonic_us();
  pacer_.begun(asked_us_);
  connection_.send_prepared_by_row(statement);
}

void Listener::page_read() {
  ngx_log_debug3(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" read a page of %d rows, ring at id %uL",
                 &conf_.name, writer_.page_rows(), ring_.snapshot().last_id);
  pacer_.ended(monotonic_us());
  if (writer_.page_was_full()) {
    writer_.announce();
    return read_more();
  }
  caught_up();
  go_on();
}

void Listener::caught_up() {
  step_ = Step::kIdle;
  backoff_ = 0;
  watch_.read_ended(ring_.snapshot().last_id, writer_.appended());
  writer_.note_end();
  if (std::exchange(is_new_, false)) {
    metrics_.add(Metric::kListenerConnects);
    copy_state_.start(session_.version());
    sequencer_.start(session_.version());
  }
  writer_.announce();
  if (root_.connected.load() == 0 && set_connected(true)) {
    service_log_.back(ring_.snapshot().last_id);
    // What failed while the database was away says nothing about now.
    root_.troubles.pool.connect_failed_ms.store(0);
    root_.troubles.prune_failing_ms.store(0);
  }
  ngx_add_timer(&sweep_, conf_.sweep);
}

// What an idle connection that has read the log to its end does next.
void Listener::go_on() {
  if (step_ != Step::kIdle || !connection_.idle()) {
    return;
  }
  if (const auto statement = copy_state_.next()) {
    stop_timer(read_);
    return send(Step::kCopyState, *statement);
  }
  if (const auto statement = sequencer_.next()) {
    stop_timer(read_);
    return send(Step::kSequence, *statement);
  }
  if (!again_) {
    return;
  }
  const auto pause = sequencer_.loops() ? 0 : static_cast<ngx_msec_t>(pacer_.pause());
  pause == 0 ? read_more() : ngx_add_timer(&read_, pause);
}

void Listener::on_read(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  self->or_fail([self] { self->pg_all_notified(); });
}

void Listener::sequenced() {
  step_ = Step::kIdle;
  switch (sequencer_.answered()) {
    case Sequencer::Then::kClose:
      return fail(AwayReason::kLostConnection, "the database rejects a statement about group commit");
    case Sequencer::Then::kRead:
      watch_.forget();  // a sweep would find it
      return read_more();
    case Sequencer::Then::kGoOn:
      return go_on();
  }
}

// A lost notification delays events by at most this long. A dead connection is noticed because the page is not
// answered.
void Listener::on_sweep(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  self->or_fail([self] { self->sweep(); });
}

void Listener::sweep() {
  if (step_ == Step::kProof) {
    return fail(AwayReason::kNoNotification, kNoProof);
  }
  if (step_ != Step::kIdle || !connection_.idle()) {
    again_ = true;  // the read after this statement takes its place
    return;
  }
  watch_.sweep_begins(ring_.snapshot().last_id, writer_.appended());
  sequencer_.swept();
  read_more();
}

}  // namespace pgevents::nginx
