// A worker's database connections; see query_pool.hpp.
#include "ngx_module/postgres/query_pool.hpp"

#include <algorithm>

#include "core/metrics/clock.hpp"
#include "core/wire/sql_fault.hpp"
#include "postgres/result.hpp"
#include "postgres/session_start.hpp"
#include "postgres/sqlstate.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kStatementTimeout = 10'000;
constexpr ngx_msec_t kIdleTimeout = 60'000;
constexpr ngx_msec_t kConnectPause = 1'000;
constexpr ngx_msec_t kSlow = 2'000;
constexpr ngx_msec_t kSchemaIsRecent = 5'000;  // a session that is younger need not ask for the schema's version again

}  // namespace

// One connection and the statement that it executes.
class QueryPool::Member final : private PgConnection::Owner {
 public:
  explicit Member(QueryPool& pool) : pool_(pool), connection_(*this, pool.log_) {
    init_timer(idle_timer_, this, &Member::on_idle, pool.log_);
  }
  ~Member() { stop_timer(idle_timer_); }

  bool free() const noexcept { return query_ == nullptr && !opening_; }
  bool closed() const noexcept { return connection_.closed(); }
  bool runs(Lane lane) const noexcept { return query_ != nullptr && query_->lane == lane; }
  bool connected() const noexcept { return !connection_.closed() && !opening_; }
  bool runs_since(ngx_msec_t before) const noexcept { return query_ != nullptr && was_asked_before(*query_, before); }
  // Whether it executes a statement whose result is still waited for.
  bool needed() const noexcept { return query_ != nullptr && query_->done != nullptr; }
  void close() noexcept {
    stop_timer(idle_timer_);
    connection_.close();
    query_ = nullptr;
    kept_ = nullptr;
    again_ = SqlFault::kRequest;
    opening_ = false;
    suspects_schema_ = false;
    show(std::nullopt);
  }

  void open() {
    opening_ = true;
    show(PoolState::kConnecting);
    session_.begin();
    connection_.open(pool_.servers_, kStatementTimeout);
  }

  void start(std::shared_ptr<Query> query) {
    stop_timer(idle_timer_);
    query_ = std::move(query);
    query_->sent = true;
    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, pool_.log_, 0, "pgevents: query %s (%s) started on connection %p",
                   query_->statement.sql.name, name_of(query_->lane), &connection_);
    show(PoolState::kBusy);
    sent_us_ = monotonic_us();
    connection_.send(query_->statement);
  }

 private:
  void pg_ready() override {
    if (opening_ && !begin_session()) {
      return;
    }
    observe_answer();
    if (const postgres::ResultPtr kept = std::move(kept_)) {
      pool_.finish(query_, postgres::result_of(kept.get()));
    }
    const SqlFault again = std::exchange(again_, SqlFault::kRequest);
    if (again == SqlFault::kConflict) {
      return start(std::exchange(query_, nullptr));
    }
    if (again == SqlFault::kSession) {
      connection_.close();
      show(std::nullopt);
      return pool_.repeat(std::exchange(query_, nullptr));
    }
    // A query that is not finished yet got no result: libpq had no memory for it.
    show(PoolState::kIdle);
    pool_.finish(std::exchange(query_, nullptr), postgres::not_reached("no result"));
    if (pool_.shutting_down_ && pool_.queues_.empty()) {
      show(std::nullopt);
      return connection_.close();
    }
    if (std::exchange(suspects_schema_, false) && ngx_current_msec - began_at_ > kSchemaIsRecent) {
      show(std::nullopt);
      connection_.close();  // the next session asks for the schema's version
    } else {
      ngx_add_timer(&idle_timer_, kIdleTimeout);
    }
    pool_.dispatch();
  }

  // True when the session may execute statements.
  bool begin_session() {
    switch (session_.next()) {
      case postgres::SessionStart::Next::kAsk:
        connection_.send(session_.statement());
        return false;
      case postgres::SessionStart::Next::kFail:
        connection_.fail(session_.problem().c_str());
        return false;
      case postgres::SessionStart::Next::kUse:
        break;
    }
    connection_.accept();
    opening_ = false;
    pool_.schema_version_ = session_.version();
    pool_.troubles_.connected_ms.store(wall_clock_ms());
    pool_.away_ = false;
    began_at_ = ngx_current_msec;
    return true;
  }

  void pg_result(const PGresult* rows) override {
    if (opening_) {
      return session_.take(rows, connection_.database());
    }
    const QueryResult result = postgres::result_of(rows);
    suspects_schema_ = suspects_schema_ || postgres::schema_may_have_changed(result.sqlstate);
    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, pool_.log_, 0, "pgevents: query %s (%s) answered: %s, %d rows",
                   query_->statement.sql.name, name_of(query_->lane), PQresStatus(PQresultStatus(rows)),
                   PQntuples(rows));
    const bool may_write = result.rows != nullptr && query_->lane != Lane::kCatchup;
    kept_.reset(may_write ? PQcopyResult(rows, PG_COPYRES_TUPLES) : nullptr);
    if (!may_write && !may_repeat(result)) {
      pool_.finish(query_, result);
    }
  }

  // An error has rolled the statement back, so that any statement may be repeated.
  bool may_repeat(const QueryResult& result) noexcept {
    const SqlFault fault = result.sqlstate.empty() ? SqlFault::kInternal : sql_fault(result.sqlstate);
    if ((fault != SqlFault::kConflict && fault != SqlFault::kSession) || !needed() || query_->repeated) {
      return false;
    }
    query_->repeated = true;
    again_ = fault;
    return true;
  }

  void pg_failed(const char* why) noexcept override {
    stop_timer(idle_timer_);
    show(std::nullopt);
    const bool was_opening = std::exchange(opening_, false);
    kept_ = nullptr;
    again_ = SqlFault::kRequest;
    suspects_schema_ = false;
    const auto query = std::exchange(query_, nullptr);
    if (query != nullptr) {
      pool_.close_idle();
    }
    if (was_opening || query != nullptr) {
      pool_.log_failure(was_opening, why);
    }
    pool_.finish(query, postgres::not_reached(why));
    if (was_opening) {
      pool_.pause_until_ = ngx_current_msec + kConnectPause;
    }
    // Opening may fail at once, so trying again here might never end. Connected members serve the queue.
    if (!was_opening) {
      pool_.dispatch();
    } else if (!pool_.any_connected()) {
      pool_.fail_queue(why);
    }
  }

  static void on_idle(ngx_event_t* event) {
    auto* self = static_cast<Member*>(event->data);
    if (self->free()) {
      self->connection_.close();
      self->show(std::nullopt);
    }
  }

  void observe_answer() noexcept {
    if (query_ != nullptr) {
      pool_.metrics_.observe(monotonic_us() - sent_us_, Metric::kQueryDuration,
                             statement_label(query_->statement.sql.name));
    }
  }

  // What the metrics show of it; nothing: it is closed.
  void show(std::optional<PoolState> state) noexcept {
    if (shown_) {
      pool_.metrics_.subtract(pool_.shown_.connections, *shown_);
    }
    if (state) {
      pool_.metrics_.add(pool_.shown_.connections, *state);
    }
    shown_ = state;
  }

  QueryPool& pool_;
  PgConnection connection_;
  std::shared_ptr<Query> query_;
  // Rows of a statement that may write, until the server is ready again: an error at its COMMIT comes after them.
  postgres::ResultPtr kept_;
  ngx_event_t idle_timer_{};
  SqlFault again_ = SqlFault::kRequest;  // why the statement is repeated; kRequest: it is not
  bool opening_ = false;                 // connecting, or asking for the schema's version
  postgres::SessionStart session_{"pool"};
  ngx_msec_t began_at_ = 0;
  bool suspects_schema_ = false;  // a statement named what does not exist
  std::optional<PoolState> shown_;
  std::int64_t sent_us_ = 0;  // when the statement was sent
};

QueryPool::QueryPool(const DatabaseConf& conf, PoolTroubles& troubles, ServerAddresses& servers, Metrics& metrics,
                     const PoolMetrics& shown, ngx_log_t* log)
    : conf_(conf),
      troubles_(troubles),
      servers_(servers),
      metrics_(metrics),
      shown_(shown),
      log_(log),
      queues_(metrics, shown.queue) {
  for (ngx_uint_t i = 0; i < conf.connections; ++i) {
    members_.push_back(std::make_unique<Member>(*this));
  }
}

QueryPool::~QueryPool() = default;

bool QueryPool::run(std::shared_ptr<Query> query) {
  if (!queues_.has_room_for(*query)) {
    count_rejected();
    return false;
  }
  post(std::move(query));
  return true;
}

void QueryPool::post(std::shared_ptr<Query> query) {
  query->asked_at = ngx_current_msec;
  queues_.push(std::move(query));
  dispatch();
}

// Presence never takes all connections, unless there is only one.
bool QueryPool::presence_may_run() const noexcept {
  const auto running =
      std::count_if(members_.begin(), members_.end(), [](const auto& member) { return member->runs(Lane::kPresence); });
  return static_cast<std::size_t>(running) < std::max<std::size_t>(members_.size() - 1, 1);
}

// By another session, as soon as one is ready.
void QueryPool::repeat(std::shared_ptr<Query> query) noexcept {
  const bool queued = guarded(log_, [&] { queues_.push_first(query); });
  if (!queued) {
    return finish(query, postgres::not_reached("out of memory"));
  }
  dispatch();
}

// The query lives until its callback returns, even if that drops the last other reference.
void QueryPool::finish(std::shared_ptr<Query> query, const QueryResult& result) noexcept {
  const std::shared_ptr<Query> kept = std::move(query);
  if (kept != nullptr && kept->done) {
    const auto done = std::exchange(kept->done, nullptr);
    guarded(log_, [&] { done(result); });
  }
}

void QueryPool::dispatch() noexcept {
  for (auto& member : members_) {
    if (!member->free()) {
      continue;
    }
    if (!queues_.has_next(presence_may_run())) {
      return;
    }
    if (member->closed()) {
      if (may_connect()) {
        member->open();  // takes a query when it is connected
      }
      continue;
    }
    member->start(queues_.take(presence_may_run()));
  }
  if (!queues_.empty() && !may_connect() && all_closed()) {
    fail_queue("connecting failed a moment ago");
  }
}

bool QueryPool::may_connect() const noexcept {
  return static_cast<ngx_msec_int_t>(ngx_current_msec - pause_until_) >= 0;
}

// The listener reports the same trouble: this shows that requests fail, or that only this worker is affected.
void QueryPool::log_failure(bool was_opening, const char* why) noexcept {
  const auto now = static_cast<std::int64_t>(ngx_current_msec);
  if (was_opening) {
    away_ = true;
    troubles_.connect_failed_ms.store(wall_clock_ms());
    if (connect_log_.pass(now)) {
      ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: cannot connect to database \"%V\" for a request: %s%s",
                    &conf_.name, why, connect_log_.note());
    }
  } else if (lost_log_.pass(now)) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: lost the connection to database \"%V\" during a request: %s%s",
                  &conf_.name, why, lost_log_.note());
  }
}

// Queries that are added meanwhile stay.
void QueryPool::fail_queue(const char* why) noexcept {
  for (const auto& query : queues_.take_all()) {
    finish(query, postgres::not_reached(why));
  }
}

// What broke one connection has most likely broken the idle ones too, and each of these would cost its next statement a
// timeout.
void QueryPool::close_idle() noexcept {
  for (auto& member : members_) {
    if (member->free()) {
      member->close();
    }
  }
}

bool QueryPool::all_closed() const noexcept {
  return std::all_of(members_.begin(), members_.end(), [](const auto& member) { return member->closed(); });
}

bool QueryPool::any_connected() const noexcept {
  return std::any_of(members_.begin(), members_.end(), [](const auto& member) { return member->connected(); });
}

void QueryPool::count_slow() noexcept {
  const ngx_msec_t before = ngx_current_msec - kSlow;
  const auto running =
      std::count_if(members_.begin(), members_.end(), [&](const auto& member) { return member->runs_since(before); });
  metrics_.set(static_cast<std::size_t>(running) + queues_.asked_before(before), shown_.slow);
}

void QueryPool::shut_down() {
  shutting_down_ = true;
  metrics_.set(0, shown_.slow);
  queues_.drop_cancelled();
  const bool waiting = !queues_.empty();
  for (auto& member : members_) {
    if (!member->needed() && !waiting) {
      member->close();
    }
  }
}

void QueryPool::close() noexcept {
  for (auto& member : members_) {
    member->close();
  }
}

}  // namespace pgevents::nginx
