// When to sequence; see sequencing_plan.hpp.
#include "postgres/sequencing_plan.hpp"

#include <algorithm>
#include <utility>

namespace pgevents::postgres {
namespace {

using std::int64_t;

constexpr int kEnoughWaiting = 4;  // publishers: one flush for all of them takes less time than one for each
constexpr int64_t kAskWaitingInterval = 20;
constexpr int64_t kAskVersionInterval = 10'000;
constexpr int64_t kRenewInterval = 1'000;
constexpr int64_t kRestAfterError = 1'000;
constexpr int64_t kBeginPause = 1'000;  // after another session had the lock, or the setting was off
constexpr int64_t kFirstHoldOff = 500;
constexpr int64_t kMaxHoldOff = 8'000;

// Of the loop. It goes on while a round has at least one and a half turns on average, or takes a part of a big one.
// Rounds that can do nothing yet do not count, nor does a window that had such rounds and no turn: another session
// gives ids, or those who have left their events have not committed. So it is at the beginning, when those who waited
// before leave. With a slow disk a window is longer: one or two rounds say little, the first one may find a single
// turn.
constexpr int64_t kWindow = 100;
constexpr int64_t kLongWindow = 500;  // with fewer rounds than these
constexpr int kEnoughRounds = 3;
constexpr int kMaxBusyWindows = 30;  // such windows in a row
constexpr int64_t kPause = 1;
constexpr int64_t kIdlePause = 2;

// While another session has the lock, but has drained nothing for this long, this one looks: the other may be stuck.
constexpr int64_t kQuiet = 50;
// Between drains in its place.
constexpr int64_t kFirstDrainPause = 5;

}  // namespace

void SequencingPlan::begin(int version, int64_t now) noexcept {
  *this = {};
  version_ = version;
  drain_by(now);  // an earlier listener may have died with some left
}

void SequencingPlan::notified(std::string_view payload, int64_t now) noexcept {
  heard_waiting_ = heard_waiting_ || payload == "w";
  saw_new_schema_ = saw_new_schema_ || !payload.empty();
  if (payload == "s") {
    drain_at_ = now + kQuiet;
    drain_pause_ = 0;
  } else if (payload == "l") {
    drain_by(now);
  }
}

void SequencingPlan::drain_by(int64_t when) noexcept {
  drain_at_ = std::min(drain_at_.value_or(when), when);
}

SequencingPlan::Action SequencingPlan::next(int64_t now) noexcept {
  asked_ = Action::kNone;
  if (now >= rest_until_) {
    asked_ = loops_ ? next_in_loop(now) : next_while_watching(now);
  }
  return asked_;
}

SequencingPlan::Action SequencingPlan::next_in_loop(int64_t now) noexcept {
  if (ends_) {
    return Action::kEnd;
  }
  if (now >= renew_at_) {
    return Action::kRenew;
  }
  return now >= round_at_ ? Action::kSequence : Action::kNone;
}

SequencingPlan::Action SequencingPlan::next_while_watching(int64_t now) noexcept {
  if (!can_sequence()) {
    return saw_new_schema_ && now >= ask_version_at_ ? Action::kAskVersion : Action::kNone;
  }
  if (!is_ready_) {
    return Action::kReady;
  }
  if (may_begin_) {
    return Action::kBegin;
  }
  if (heard_waiting_ && now >= ask_waiting_at_ && now >= begin_at_) {
    heard_waiting_ = false;
    ask_waiting_at_ = now + kAskWaitingInterval;
    return Action::kAskWaiting;
  }
  return drain_at_ && now >= *drain_at_ ? Action::kSequence : Action::kNone;
}

std::optional<int64_t> SequencingPlan::wait(int64_t now) const noexcept {
  std::optional<int64_t> at;
  if (loops_) {
    at = ends_ ? now : std::min(round_at_, renew_at_);
  } else if (can_sequence()) {
    at = may_begin_ || !is_ready_ ? now : drain_at_;
  }
  if (!at) {
    return std::nullopt;
  }
  return std::max({*at, rest_until_, now}) - now;
}

void SequencingPlan::take_version(int version, int64_t now) noexcept {
  version_ = version;
  saw_new_schema_ = false;
  ask_version_at_ = now + kAskVersionInterval;
}

void SequencingPlan::take_waiting(int sessions) noexcept {
  may_begin_ = sessions >= kEnoughWaiting;
}

void SequencingPlan::take_begun(bool begun, int64_t now) noexcept {
  may_begin_ = false;
  if (!begun) {
    begin_at_ = now + kBeginPause;
    ends_ = loops_;
    return;
  }
  renew_at_ = now + kRenewInterval;
  if (!std::exchange(loops_, true)) {
    round_at_ = window_from_ = now;
    rounds_ = turns_ = busy_windows_ = 0;
    found_busy_ = worth_it_ = false;
  }
}

// A publisher that found the lock taken may have drawn its turn's number just before the end, and notifies nobody.
void SequencingPlan::take_ended(int64_t now) noexcept {
  loops_ = ends_ = false;
  heard_waiting_ = false;
  drain_at_ = now;
  drain_pause_ = 0;
  // A loop that was of no use from its beginning: those who wait do not leave, for example publications over HTTP.
  hold_off_ = worth_it_ ? 0 : std::clamp(2 * hold_off_, kFirstHoldOff, kMaxHoldOff);
  begin_at_ = std::max(begin_at_, now + hold_off_);
}

void SequencingPlan::take_round(const Round& round, int64_t now) noexcept {
  loops_ ? count_round(round, now) : plan_drain(round, now);
}

void SequencingPlan::count_round(const Round& round, int64_t now) noexcept {
  const bool is_early = round.is_busy || (round.events == 0 && !round.is_settled);
  rounds_ += is_early ? 0 : 1;
  found_busy_ = found_busy_ || is_early;
  turns_ += round.turns;
  worth_it_ = worth_it_ || round.is_more;
  const int64_t pause = round.events > 0 ? kPause : kIdlePause;
  round_at_ = round.is_more ? now : now + pause;
  const bool is_busy = found_busy_ && turns_ == 0;
  if (now - window_from_ < (is_busy || rounds_ >= kEnoughRounds ? kWindow : kLongWindow)) {
    return;
  }
  busy_windows_ = is_busy ? busy_windows_ + 1 : 0;
  ends_ = is_busy ? busy_windows_ > kMaxBusyWindows : !round.is_more && 2 * turns_ < 3 * rounds_;
  worth_it_ = worth_it_ || !(is_busy || ends_);
  window_from_ = now;
  rounds_ = turns_ = 0;
  found_busy_ = false;
}

// Until all is settled and no other session has the lock. If this session has moved some although another one has it,
// that one is stuck: then this one drains in its place, for as long as it finds some. If there is more than one round
// takes it becomes the sequencer, so that publishers need not wait between the rounds.
void SequencingPlan::plan_drain(const Round& round, int64_t now) noexcept {
  drain_at_.reset();
  if (round.events > 0) {
    drain_pause_ = 0;
    drain_at_ = round.is_more ? now : now + kFirstDrainPause;
    may_begin_ = round.is_more && now >= begin_at_;
  } else if (round.is_busy || round.is_sequenced) {
    drain_at_ = now + kQuiet;
  } else if (!round.is_settled) {
    drain_pause_ = std::clamp(2 * drain_pause_, kFirstDrainPause, kQuiet);
    drain_at_ = now + drain_pause_;
  }
}

// A statement that fails after it has taken the lock leaves the lock to the session.
bool SequencingPlan::take_rejected(int64_t now) noexcept {
  if (asked_ == Action::kEnd) {
    return false;
  }
  may_begin_ = saw_new_schema_ = false;
  if (asked_ == Action::kBegin) {
    worth_it_ = false;
  }
  if (loops_ || asked_ == Action::kBegin) {
    loops_ = ends_ = true;
    return true;
  }
  rest_until_ = now + kRestAfterError;
  drain_at_ = rest_until_;
  return true;
}

}  // namespace pgevents::postgres
