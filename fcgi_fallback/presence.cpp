// Contacts and ticks; see presence.hpp. The rules are those of pgevents.presence_poll and pgevents.presence_tick.
#include "fcgi_fallback/presence.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "postgres/statements.hpp"

namespace pgevents::fallback {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kTicksAfterRequest{30};
constexpr milliseconds kShortestTick{10};
constexpr milliseconds kLongestTick{500};
constexpr milliseconds kAfterFailure{1000};

// `text`: the answer of pgevents.presence_tick.
milliseconds next_tick_in(std::string_view text) {
  const milliseconds::rep number = postgres::number_in(text, kLongestTick.count());
  return std::clamp(milliseconds(number), kShortestTick, kLongestTick);
}

}  // namespace

void Presence::polled(const Identity& identity) {
  if (!options_.presence) {
    return;
  }
  if (!identity.user.empty()) {
    contact_ = identity_json(identity);
  }
  // After an anonymous poll the first tick comes later than a CGI process lives: without named users nothing needs to
  // tick.
  keep_ticking(identity.user.empty() ? kLongestTick : milliseconds{0});
}

void Presence::called() {
  keep_ticking(milliseconds{0});
}

void Presence::keep_ticking(milliseconds first_in) {
  const auto now = Clock::now();
  if (!next_tick_) {
    next_tick_ = now + first_in;
  }
  last_tick_by_ = now + kTicksAfterRequest;
}

void Presence::catch_up() {
  if (contact_) {
    report_contact();
  }
  if (tick_is_due()) {
    tick();
  }
}

std::optional<milliseconds> Presence::until_due() const {
  if (!next_tick_ || *next_tick_ >= last_tick_by_) {
    return std::nullopt;
  }
  return std::max(std::chrono::ceil<milliseconds>(*next_tick_ - Clock::now()), milliseconds{0});
}

bool Presence::tick_is_due() const {
  return next_tick_ && *next_tick_ < last_tick_by_ && *next_tick_ <= Clock::now();
}

void Presence::report_contact() {
  std::string identity = std::move(*contact_);
  contact_.reset();
  if (!databases_.ready_to_write()) {
    return;
  }
  const Outcome outcome = databases_.writing().run_if_connected(
      {sql::kPresencePoll, {std::move(identity), std::to_string(options_.poll_interval)}});
  log_unless_empty(outcome.log);
}

void Presence::tick() {
  const Outcome outcome = databases_.writing().run_if_connected({sql::kPresenceTick, {}});
  log_unless_empty(outcome.log);
  const auto wait = outcome.value();
  next_tick_ = Clock::now() + (wait ? next_tick_in(*wait) : kAfterFailure);
  // While the database is away, nothing can be published. The next poll or call starts ticking again.
  if (!databases_.writing().is_connected()) {
    last_tick_by_ = {};
  }
}

}  // namespace pgevents::fallback
