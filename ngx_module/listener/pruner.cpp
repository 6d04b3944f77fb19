// Prunes the log; see pruner.hpp.
#include "ngx_module/listener/pruner.hpp"

#include <algorithm>
#include <string>

#include "core/metrics/clock.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr int kBatch = 5'000;  // rows

}  // namespace

Pruner::Pruner(const DatabaseConf& conf, SharedRoot& root, QueryPool& pool, Metrics& metrics, ngx_log_t* log)
    : conf_(conf), root_(root), pool_(pool), metrics_(metrics), log_(log) {
  init_timer(timer_, this, &Pruner::on_timer, log);
}

void Pruner::start() {
  if (conf_.prune == 0) {
    root_.troubles.prune_failing_ms.store(0);
  } else {
    ngx_add_timer(&timer_, conf_.prune);
  }
}

void Pruner::stop() noexcept {
  stop_timer(timer_);
  query_.cancel();
}

void Pruner::on_timer(ngx_event_t* event) {
  auto* self = static_cast<Pruner*>(event->data);
  guarded(self->log_, [self] { self->prune(); });
  ngx_add_timer(event, self->conf_.prune);
}

// In the lane of presence: it can wait.
void Pruner::prune() {
  if (!query_.pending()) {
    pool_.post(
        {sql::kPrune, {std::to_string(kBatch)}}, Lane::kPresence, [this](const QueryResult& result) { pruned(result); },
        query_);
  }
}

void Pruner::failed(const QueryResult& result) noexcept {
  std::int64_t succeeded = 0;
  root_.troubles.prune_failing_ms.compare_exchange_strong(succeeded, wall_clock_ms());
  if (failed_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: cannot prune the log of \"%V\": %s%s%s", &pool_.database(),
                  Printable(result.message).c_str(), postgres::advice(result.sqlstate), failed_log_.note());
  }
}

void Pruner::pruned(const QueryResult& result) {
  if (result.rows == nullptr) {
    return failed(result);
  }
  root_.pruned_ms.store(wall_clock_ms());
  root_.troubles.prune_failing_ms.store(0);
  const Answer rows = answer_of(result);
  const int removed = rows.text ? std::max(postgres::number_in<int>(*rows.text), 0) : 0;
  metrics_.add_many(static_cast<std::uint64_t>(removed), Metric::kPruneRemoved);
  if (removed >= kBatch) {
    prune();
  }
}

}  // namespace pgevents::nginx
