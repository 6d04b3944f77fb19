// Contacts and ticks; see presence.hpp. The rules are those of pgevents.presence_poll and pgevents.presence_tick.
#include "fcgi_fallback/presence.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "core/wire/sql.hpp"

namespace pgevents::fallback {

namespace {

using std::chrono::milliseconds;

constexpr Statement kPresencePoll{"pgevents_presence_poll", sql::kPresencePoll};
constexpr Statement kPresenceTick{"pgevents_presence_tick", sql::kPresenceTick};
constexpr std::chrono::seconds kTicksAfterRequest{30};
constexpr milliseconds kShortestTick{10};
constexpr milliseconds kLongestTick{500};
constexpr milliseconds kAfterFailure{1000};

// The answer of pgevents.presence_tick.
milliseconds next_tick_in(const PGresult* rows) {
  const std::string_view text(PQgetvalue(rows, 0, 0));
  milliseconds::rep number = kLongestTick.count();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::clamp(milliseconds(number), kShortestTick, kLongestTick);
}

}  // namespace

void Presence::polled(const Identity& identity) {
  if (!options_.presence) return;
  if (!identity.user.empty()) contact_ = identity_json(identity);
  // A CGI process does not live so long: on a site where nobody has a name it does not tick.
  keep_ticking(identity.user.empty() ? kLongestTick : milliseconds{0});
}

void Presence::called() {
  keep_ticking(milliseconds{0});
}

void Presence::keep_ticking(milliseconds first_in) {
  const auto now = Clock::now();
  if (!next_tick_) next_tick_ = now + first_in;
  last_tick_by_ = now + kTicksAfterRequest;
}

void Presence::catch_up() {
  if (contact_) report_contact();
  if (tick_is_due()) tick();
}

std::optional<milliseconds> Presence::until_due() const {
  if (!next_tick_ || *next_tick_ >= last_tick_by_) return std::nullopt;
  return std::max(std::chrono::ceil<milliseconds>(*next_tick_ - Clock::now()), milliseconds{0});
}

bool Presence::tick_is_due() const {
  return next_tick_ && *next_tick_ < last_tick_by_ && *next_tick_ <= Clock::now();
}

void Presence::report_contact() {
  const std::string identity = std::move(*contact_);
  contact_.reset();
  const std::string seconds = std::to_string(options_.poll_interval);
  const char* const values[] = {identity.c_str(), seconds.c_str()};
  const Outcome outcome = database_.run_if_connected(kPresencePoll, values, 2);
  if (!outcome.log.empty()) log_line(outcome.log);
}

void Presence::tick() {
  const Outcome outcome = database_.run_if_connected(kPresenceTick, nullptr, 0);
  if (!outcome.log.empty()) log_line(outcome.log);
  const bool done = outcome.rows && PQntuples(outcome.rows.get()) == 1;
  next_tick_ = Clock::now() + (done ? next_tick_in(outcome.rows.get()) : kAfterFailure);
  // While the database is away there is nothing to tell. The next poll or call begins anew.
  if (!database_.is_connected()) last_tick_by_ = {};
}

}  // namespace pgevents::fallback
