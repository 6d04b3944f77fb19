// See ticker.hpp.
#include "ngx_module/presence/ticker.hpp"

#include <charconv>

#include "core/wire/sql.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kLongest = 500;
constexpr ngx_msec_t kAfterFailure = 2'000;
// When the database comes back after a long time, all leases have run out: whoever is still here renews his first.
constexpr ngx_msec_t kAfterAway = 5'000;
constexpr char kLockNotAvailable[] = "55P03";  // somebody takes long over a user; the next tick will do it

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
  if (query_ != nullptr) {
    query_->cancel();
  }
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
  query_ = std::make_shared<Query>();
  query_->statement = {sql::kPresenceTick, {}};
  query_->lane = Lane::kPresence;
  query_->done = [this](const QueryResult& result) { ticked(result); };
  pool_.post(query_);
}

void Ticker::ticked(const QueryResult& result) {
  ngx_msec_t wait = kAfterFailure;
  const Answer answer = answer_of(result);
  if (answer.text) {
    std::from_chars(answer.text->data(), answer.text->data() + answer.text->size(), wait);
  } else if (!answer.sqlstate.empty() && answer.sqlstate != kLockNotAvailable) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: presence could not be told: %s", Printable(answer.message).c_str());
  }
  ngx_add_timer(&timer_, wait);
}

}  // namespace pgevents::nginx
