// See ticker.hpp.
#include "ngx_module/presence/ticker.hpp"

#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kLongest = 500;
constexpr ngx_msec_t kAfterFailure = 2'000;
// After a long outage of the database all leases have run out: the workers need time to renew theirs first.
constexpr ngx_msec_t kAfterAway = 5'000;

}  // namespace

Ticker::Ticker(QueryPool& pool, std::function<bool()> serving, std::function<bool()> listening, ngx_log_t* log)
    : pool_(pool), serving_(std::move(serving)), listening_(std::move(listening)), log_(log) {
  init_timer(timer_, this, &Ticker::on_timer, log);
}

Ticker::~Ticker() {
  stop();
}

void Ticker::start() {
  ngx_add_timer(&timer_, kLongest);
}

void Ticker::stop() noexcept {
  stop_timer(timer_);
  query_.cancel();
}

void Ticker::on_timer(ngx_event_t* event) {
  auto* self = static_cast<Ticker*>(event->data);
  if (!guarded(self->log_, [self] { self->tick(); })) {
    ngx_add_timer(event, kAfterFailure);
  }
}

bool Ticker::may_tick() noexcept {
  const bool serving = serving_();
  if (serving && std::exchange(away_, false)) {
    not_before_ = ngx_current_msec + kAfterAway;
  }
  away_ = !serving && served_;
  served_ = served_ || serving;
  return serving && listening_() && static_cast<ngx_msec_int_t>(ngx_current_msec - not_before_) >= 0;
}

void Ticker::tick() {
  if (!may_tick()) {
    return start();
  }
  pool_.post(
      {sql::kPresenceTick, {}}, Lane::kPresence, [this](const QueryResult& result) { ticked(result); }, query_);
}

void Ticker::ticked(const QueryResult& result) {
  ngx_msec_t wait = kAfterFailure;
  const Answer answer = answer_of(result);
  if (answer.text) {
    wait = postgres::number_in(*answer.text, wait);
  } else if (!answer.sqlstate.empty() && answer.sqlstate != postgres::kLockNotAvailable &&
             failed_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    // Not logged if a lock is held for long: the next tick does the work.
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: pgevents.presence_tick() failed in database \"%V\": %s%s%s",
                  &pool_.database(), Printable(answer.message).c_str(), postgres::advice(answer.sqlstate),
                  failed_log_.note());
  }
  ngx_add_timer(&timer_, wait);
}

}  // namespace pgevents::nginx
