// A session that sequences, for tests of the plan: driven as a listener would do it, on a clock of its own.
#pragma once

#include <cstdint>
#include <string>

#include "checks.hpp"
#include "postgres/sequencing_plan.hpp"

namespace pgevents::testing {

using Plan = postgres::SequencingPlan;
using Action = Plan::Action;
using Round = Plan::Round;

inline constexpr Round kSettled{0, 0, false, true, false, false};
inline constexpr Round kUnsettled{0, 0, false, false, false, false};
inline constexpr Round kBusy{0, 0, false, false, true, false};
inline constexpr Round kElsewhere{0, 0, false, true, false, true};  // another session has the lock
inline constexpr Round kOne{1, 1, false, false, false, false};
inline constexpr Round kMany{40, 32, false, false, false, false};
inline constexpr Round kFull{5'000, 100, true, false, false, false};
inline constexpr Round kPart{2'001, 1, true, false, false, false};  // of a big turn

inline const char* name_of(Action action) {
  constexpr const char* kNames[] = {"none", "version", "ready", "waiting", "begin", "renew", "end", "sequence"};
  return kNames[static_cast<int>(action)];
}

struct Session {
  explicit Session(int version = sql::kGroupCommitSchema) {
    plan.begin(version, now);
    if (version >= sql::kGroupCommitSchema) {
      gets_ready();
    }
  }

  void gets_ready() {
    wants(Action::kReady);
    plan.take_ready();
  }

  void wants(Action action, const char* about = "") { assert_text(name_of(plan.next(now)), name_of(action), about); }

  // Asserts that nothing is to be sent for `ms`, and then `action`.
  void wants_after(std::int64_t ms, Action action, const char* about = "") {
    wants(Action::kNone, about);
    assert_that(plan.wait(now) == ms,
                std::string(about) + ": waits for " + std::to_string(plan.wait(now).value_or(-1)));
    now += ms;
    wants(action, about);
  }

  void rests() {
    wants(Action::kNone);
    ck_assert(!plan.wait(now));
  }

  void round(const Round& round) { plan.take_round(round, now); }

  void drains(const Round& result) {
    wants(Action::kSequence);
    round(result);
  }

  // From a settled database into the loop.
  void loops() {
    drains(kSettled);
    plan.notified("w", now);
    wants(Action::kAskWaiting);
    plan.take_waiting(4);
    wants(Action::kBegin);
    plan.take_begun(true, now);
    ck_assert(plan.loops());
  }

  // The rounds of `ms`, each with this result and of this length.
  void rounds(std::int64_t ms, const Round& result, std::int64_t length = 1) {
    for (const std::int64_t end = now + ms; now < end;) {
      const Action action = plan.next(now);
      if (action == Action::kSequence) {
        now += length;
        round(result);
      } else if (action == Action::kRenew) {
        plan.take_begun(true, now);
      } else {
        assert_text(name_of(action), "none");
        now += plan.wait(now).value();
      }
    }
  }

  std::int64_t now = 1'000'000;
  Plan plan;
};

}  // namespace pgevents::testing
