// LISTEN first, then read what is new, then wait; see listener.hpp. PostgreSQL manual, LISTEN: a session that listens before it
// reads misses nothing that commits later.
#include "ngx_module/listener/listener.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/shared/siphash.hpp"
#include "core/wire/control.hpp"
#include "core/wire/sql.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kTick = 250;
constexpr std::int64_t kLeaseTtl = 3'000;
constexpr ngx_msec_t kStatementTimeout = 10'000;
constexpr ngx_msec_t kFirstBackoff = 100;
constexpr ngx_msec_t kMaxBackoff = 2'000;
constexpr int kRowsPerRead = 1'000;
constexpr int kPruneBatch = 5'000;
constexpr ngx_msec_t kProofTimeout = 3'000;
constexpr ngx_msec_t kComplainAgain = 60'000;
constexpr char kNoProof[] =
    "no notification arrives; a pooler in between shares the session with others (transaction pooling), and the "
    "listener needs one of its "
    "own: connect to PostgreSQL itself, or through session pooling";
constexpr const char* kLogAfter = "log_after";

std::uint64_t number(const PGresult* rows, int column) {
  return std::strtoull(PQgetvalue(rows, 0, column), nullptr, 10);
}

std::string_view text(const PGresult* rows, int column, int row = 0) {
  return {PQgetvalue(rows, row, column), static_cast<std::size_t>(PQgetlength(rows, row, column))};
}

// What libpq says itself, that it has no memory for example, stands in no field.
const char* reason(const PGresult* result) {
  const char* const message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return message != nullptr ? message : PQresultErrorMessage(result);
}

}  // namespace

Listener::Listener(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations,
                   QueryPool& pool, std::uint64_t self, std::function<void()> wake, ngx_log_t* log)
    : conf_(conf),
      root_(root),
      ring_(ring),
      revocations_(revocations),
      pool_(pool),
      self_(self),
      wake_(std::move(wake)),
      log_(log),
      connection_(*this, log) {
  init_timer(tick_, this, &Listener::on_tick, log);
  init_timer(sweep_, this, &Listener::on_sweep, log);
  init_timer(prune_timer_, this, &Listener::on_prune, log);
}

Listener::~Listener() {
  stop();
}

void Listener::start() {
  look();
  ngx_add_timer(&tick_, kTick);
}

void Listener::stop() noexcept {
  stop_timer(tick_);
  lost_role();
  root_.lease.release(self_);
}

// Whoever has lost the role begins afresh, even when it is free again: his answers may be older than what another one did meanwhile.
void Listener::look() {
  const auto now = static_cast<std::int64_t>(ngx_current_msec);
  if (holder_ && !root_.lease.renew(self_, now, kLeaseTtl)) {
    ngx_log_error(NGX_LOG_WARN, log_, 0, "pgevents: another worker took the listener of \"%V\" over", &conf_.name);
    lost_role();
  }
  if (!holder_) {
    if (!root_.lease.try_acquire(self_, now, kLeaseTtl)) {
      return;
    }
    holder_ = true;
    backoff_ = 0;
    retry_at_ = ngx_current_msec;
    if (conf_.prune != 0) {
      ngx_add_timer(&prune_timer_, conf_.prune);
    }
  }
  if (connection_.closed() && static_cast<ngx_msec_int_t>(ngx_current_msec - retry_at_) >= 0) {
    connect();
  }
}

void Listener::lost_role() noexcept {
  holder_ = false;
  stop_timer(sweep_);
  stop_timer(prune_timer_);
  for (const auto& query : {prune_query_, probe_query_}) {
    if (query != nullptr) {
      query->cancel();
    }
  }
  connection_.close();
}

void Listener::connect() noexcept {
  backoff_ = backoff_ == 0 ? kFirstBackoff : std::min(2 * backoff_, kMaxBackoff);
  retry_at_ = ngx_current_msec + backoff_;
  step_ = Step::kListen;
  grown_ = true;  // a listener who was killed may have appended without a word
  connection_.open(conf_.keywords, conf_.values, kStatementTimeout);
}

void Listener::pg_ready() {
  if (failed_) {
    failed_ = false;
    connection_.close();
    return set_connected(false);
  }
  switch (step_) {
    case Step::kListen:
      step_ = Step::kBackend;
      again_ = false;
      return connection_.send({sql::kListen, {}}, false);
    case Step::kBackend:
      step_ = Step::kProbe;
      return connection_.send({sql::kBackend, {}}, false);
    case Step::kProbe:
      return pooled_ ? listen_for_probe() : ask_position();
    case Step::kProof:
      return wait_for_proof();
    case Step::kPosition:
      return ask_position();
    case Step::kStart:
      step_ = Step::kRevocations;
      return connection_.send({sql::kRevocations, {}}, false);
    case Step::kRevocations:
      step_ = Step::kPrepare;
      return connection_.prepare(kLogAfter, sql::kLogAfter);
    case Step::kPrepare:
      return read_more();
    case Step::kRead:
      if (rows_ == kRowsPerRead || again_) {
        announce();
        return read_more();
      }
      return caught_up();
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
  if (!root_.lease.held_by(self_)) {
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
  if (!root_.lease.held_by(self_)) {
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
      return take_event(result);
    case PGRES_TUPLES_OK:
      if (step_ == Step::kProbe && PQntuples(result) == 1) {
        take_backend(result);
      } else if (step_ == Step::kStart && PQntuples(result) == 1) {
        take_position(result);
      } else if (step_ == Step::kRevocations) {
        take_revocations(result);
      }
      return;
    case PGRES_COMMAND_OK:
      return;
    default:
      failed_ = true;
      ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: the listener of \"%V\" was refused: %s", &conf_.name,
                    Printable(reason(result)).c_str());
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
  if (!root_.lease.held_by(self_) || now.epoch != epoch_ || now.last_id < base_ || event.id <= now.last_id) {
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

// Before the event is in the ring: who has seen it there finds the table changed already. A listener killed in between has
// done no harm, for the next one reads the event again.
void Listener::note_control(const EventView& event) {
  const auto control = parse_control(event.type, event.data);
  if (control && control->kind == Control::Kind::kRevoked && event.id > head_) {
    revocations_.set(control->user, control->before_us);
  }
  root_.last_control.store(event.id);
}

void Listener::pg_notified(std::string_view channel) {
  if (step_ == Step::kProof && channel == probe_ && connection_.idle()) {
    stop_timer(sweep_);
    step_ = Step::kPosition;
    probe_listen_ = "UNLISTEN " + probe_;
    return connection_.send({probe_listen_.c_str(), {}}, false);
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
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: the listener of \"%V\" lost the database: %s", &conf_.name, why);
  }
  set_connected(false);
}

// Not by who has lost the role without having noticed: another one may be connected. The next one takes the lock before he says so.
void Listener::set_connected(bool connected) noexcept {
  const ZoneLock lock(conf_.zone);
  if (holder_ && root_.lease.held_by(self_)) {
    root_.connected.store(connected ? 1 : 0);
    wake_();
  }
}

void Listener::on_tick(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  guarded(self->log_, [self] { self->look(); });
  ngx_add_timer(event, kTick);
}

// A lost wake-up costs at most this long; a dead connection is noticed because the read gets no answer.
void Listener::on_sweep(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  const bool done = guarded(self->log_, [self] { self->sweep(); });
  if (!done) {
    self->connection_.fail("out of memory");  // nobody else would read, or sweep, again
  }
}

void Listener::sweep() {
  if (step_ == Step::kProof) {
    return connection_.fail(kNoProof);
  }
  if (step_ != Step::kIdle || !connection_.idle()) {
    return;
  }
  // Not when they were found: the NOTIFY may just have been on its way.
  if (std::exchange(unannounced_found_, false) && ngx_current_msec - complained_at_ >= kComplainAgain) {
    complained_at_ = ngx_current_msec;
    ngx_log_error(
        NGX_LOG_WARN, log_, 0,
        "pgevents: events of \"%V\" came without a notification, as late as sweep= allows; is the trigger log_notify "
        "enabled, and no pooler in between?",
        &conf_.name);
  }
  swept_from_ = ring_.snapshot().last_id;
  read_more();
}

void Listener::on_prune(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  guarded(self->log_, [self] { self->prune(); });
  ngx_add_timer(event, self->conf_.prune);
}

void Listener::prune() {
  if (!holder_ || (prune_query_ != nullptr && prune_query_->done)) {
    return;
  }
  const auto query = std::make_shared<Query>();
  query->statement = {sql::kPrune, {std::to_string(kPruneBatch)}};
  query->lane = Lane::kPresence;  // it can wait
  query->done = [this](const QueryResult& result) { pruned(result); };
  prune_query_ = query;
  try {
    pool_.post(query);
  } catch (...) {
    query->cancel();
    throw;
  }
}

void Listener::pruned(const QueryResult& result) {
  if (result.rows != nullptr && PQntuples(result.rows) == 1 && number(result.rows, 0) >= kPruneBatch) {
    prune();
  } else if (result.rows == nullptr) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: pruning of \"%V\" failed: %s", &conf_.name,
                  Printable(result.message).c_str());
  }
}

}  // namespace pgevents::nginx
