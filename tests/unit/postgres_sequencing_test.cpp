// When a listener sequences: the plan is driven as a listener would do it, on a clock of its own.
#include <cstdint>
#include <string>
#include <vector>

#include "checks.hpp"
#include "postgres/sequencing_plan.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using Plan = postgres::SequencingPlan;
using Action = Plan::Action;
using Round = Plan::Round;

namespace {

constexpr Round kSettled{0, 0, false, true, false, false};
constexpr Round kUnsettled{0, 0, false, false, false, false};
constexpr Round kBusy{0, 0, false, false, true, false};
constexpr Round kElsewhere{0, 0, false, true, false, true};  // another session has the lock
constexpr Round kOne{1, 1, false, false, false, false};
constexpr Round kMany{40, 32, false, false, false, false};
constexpr Round kFull{5'000, 100, true, false, false, false};

const char* name_of(Action action) {
  constexpr const char* kNames[] = {"none", "version", "waiting", "begin", "renew", "end", "sequence"};
  return kNames[static_cast<int>(action)];
}

struct Session {
  explicit Session(int version = postgres::kSequencingSchema) { plan.begin(version, now); }

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
    plan.take_waiting(3);
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

START_TEST(an_older_schema_gets_no_statement) {
  for (const int version : {7, 9}) {
    Session session(version);
    ck_assert(!session.plan.can_sequence());
    session.rests();
    session.plan.swept(session.now);
    session.plan.notified("", session.now);
    session.rests();
  }
}
END_TEST

START_TEST(an_upgraded_schema_is_noticed_by_what_its_publishers_send) {
  Session session(9);
  session.plan.notified("w", session.now);
  session.wants(Action::kAskVersion);
  session.plan.take_version(9, session.now);
  session.plan.notified("w", session.now);
  session.wants(Action::kNone, "not again at once");
  session.now += 10'000;
  session.wants(Action::kAskVersion);
  session.plan.take_version(10, session.now);
  session.wants(Action::kAskWaiting);
}
END_TEST

START_TEST(what_a_dead_sequencer_left_is_drained_at_the_start) {
  Session session;
  session.drains(kFull);
  session.drains(kOne);
  session.wants_after(5, Action::kSequence, "to settle");
  session.round(kSettled);
  session.rests();
}
END_TEST

START_TEST(leftovers_of_a_transaction_in_flight_are_looked_for_less_and_less) {
  Session session;
  session.drains(kUnsettled);
  for (const int pause : {5, 10, 20, 40, 50, 50, 50}) {
    session.wants_after(pause, Action::kSequence);
    session.round(kUnsettled);
  }
}
END_TEST

START_TEST(a_sweep_looks_once) {
  Session session;
  session.drains(kSettled);
  session.now += 10'000;
  session.plan.swept(session.now);
  session.drains(kSettled);
  session.rests();
}
END_TEST

START_TEST(a_publisher_that_leaves_without_a_sequencer_is_helped_at_once) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("l", session.now);
  session.drains(kOne);
}
END_TEST

START_TEST(few_who_wait_begin_no_loop) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("w", session.now);
  session.wants(Action::kAskWaiting);
  session.plan.take_waiting(2);
  session.plan.notified("w", session.now + 10);
  session.now += 10;
  session.wants(Action::kNone, "asked 10 ms ago");
  session.now += 10;
  session.wants(Action::kAskWaiting);
}
END_TEST

START_TEST(publishers_that_did_not_wait_are_not_counted) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("", session.now);
  session.rests();
}
END_TEST

START_TEST(a_lock_that_another_session_has_is_not_asked_for_again_at_once) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("w", session.now);
  session.wants(Action::kAskWaiting);
  session.plan.take_waiting(9);
  session.wants(Action::kBegin);
  session.plan.take_begun(false, session.now);
  ck_assert(!session.plan.loops());
  session.now += 900;
  session.plan.notified("w", session.now);
  session.wants(Action::kNone);
  session.now += 100;
  session.wants(Action::kAskWaiting);
}
END_TEST

START_TEST(the_loop_pauses_by_what_a_round_has_moved) {
  Session session;
  session.loops();
  const struct {
    Round result;
    int pause;
  } kRounds[] = {{kOne, 1}, {kMany, 1}, {kUnsettled, 2}, {kSettled, 2}, {kBusy, 2}};
  for (const auto& [result, pause] : kRounds) {
    session.drains(result);
    session.wants_after(pause, Action::kSequence);
    session.round(kFull);  // the next one follows at once
  }
}
END_TEST

START_TEST(a_busy_loop_goes_on_and_asks_each_second_whether_it_may) {
  Session session;
  session.loops();
  const std::int64_t begun = session.now;
  std::int64_t renewed = begun;
  int renewals = 0;
  while (session.now < begun + 5'500) {
    const Action action = session.plan.next(session.now);
    if (action == Action::kRenew) {
      assert_that(session.now - renewed >= 1'000 && session.now - renewed < 1'010, "a second");
      renewed = session.now;
      ++renewals;
      session.plan.take_begun(true, session.now);
    } else if (action == Action::kSequence) {
      session.round(kMany);
    } else {
      session.now += session.plan.wait(session.now).value();
    }
  }
  ck_assert_int_eq(renewals, 5);
  ck_assert(session.plan.loops());
}
END_TEST

START_TEST(a_loop_that_may_not_go_on_ends_and_settles) {
  Session session;
  session.loops();
  session.rounds(1'000, kMany);
  session.wants(Action::kRenew);
  session.plan.take_begun(false, session.now);
  session.wants(Action::kEnd);
  session.plan.take_ended(session.now);
  ck_assert(!session.plan.loops());
  session.drains(kOne);
  session.wants_after(5, Action::kSequence);
  session.round(kSettled);
  session.rests();
}
END_TEST

START_TEST(a_loop_of_little_use_ends_within_a_tenth_of_a_second) {
  for (const Round& result : {kSettled, kOne}) {
    Session session;
    session.loops();
    session.rounds(500, kMany);
    const std::int64_t from = session.now;
    while (session.plan.next(session.now) != Action::kEnd) {
      session.rounds(1, result);
      assert_that(session.now < from + 220, "it has not ended");
    }
    session.plan.take_ended(session.now);
    session.drains(kSettled);
    session.rests();
    session.plan.notified("w", session.now);
    session.now += 20;
    session.wants(Action::kAskWaiting, "it may begin again");
  }
}
END_TEST

START_TEST(a_loop_that_finds_others_giving_ids_goes_on_for_three_seconds) {
  Session session;
  session.loops();
  const std::int64_t from = session.now;
  while (session.plan.next(session.now) != Action::kEnd) {
    session.rounds(1, kBusy);
    assert_that(session.now < from + 4'000, "it has not ended");
  }
  assert_that(session.now > from + 2'900, "those who waited before may take so long");
  Session other;
  other.loops();
  other.rounds(500, kBusy);
  other.rounds(500, kMany);
  ck_assert(other.plan.next(other.now) != Action::kEnd);
}
END_TEST

START_TEST(a_loop_that_begins_before_anybody_leaves_goes_on) {
  Session session;
  session.loops();
  session.rounds(10, kSettled);  // those who wait have not even begun to take their ids
  session.rounds(140, kBusy);
  session.rounds(300, kMany);
  ck_assert(session.plan.next(session.now) != Action::kEnd);
}
END_TEST

START_TEST(one_and_a_half_turns_a_round_are_enough) {
  const struct {
    std::vector<int> turns;
    bool ends;
  } kLoads[] = {{{2, 1, 2, 1, 1}, true}, {{2, 1, 2, 1, 2}, false}};
  for (const auto& [turns, ends] : kLoads) {
    Session session;
    session.loops();
    bool ended = false;
    for (std::size_t i = 0; !ended && i < 200;) {
      switch (session.plan.next(session.now)) {
        case Action::kSequence:
          session.round({1, turns.at(i++ % turns.size()), false, false, false, false});
          break;
        case Action::kEnd:
          ended = true;
          break;
        default:
          session.now += session.plan.wait(session.now).value();
      }
    }
    ck_assert_int_eq(ended, ends);
  }
}
END_TEST

START_TEST(loops_that_never_were_of_use_are_tried_less_and_less) {
  Session session;
  session.loops();
  for (const int pause : {500, 1'000, 2'000, 4'000, 8'000, 8'000}) {
    while (session.plan.next(session.now) != Action::kEnd) {
      session.rounds(1, kSettled);
    }
    session.plan.take_ended(session.now);
    session.drains(kSettled);
    session.now += pause - 1;
    session.plan.notified("w", session.now);
    session.wants(Action::kNone);
    ++session.now;
    session.wants(Action::kAskWaiting);
    session.plan.take_waiting(3);
    session.wants(Action::kBegin);
    session.plan.take_begun(true, session.now);
  }
}
END_TEST

START_TEST(a_listener_leaves_the_work_to_a_sequencer_that_works) {
  Session session;
  session.drains(kSettled);
  for (int i = 0; i < 100; ++i) {
    session.plan.notified("s", session.now);
    session.wants(Action::kNone);
    session.now += 40;
  }
  session.wants_after(10, Action::kSequence, "50 ms of silence");
  session.round(kElsewhere);
  session.wants_after(50, Action::kSequence, "the lock is still held");
  session.round(kSettled);
  session.rests();
}
END_TEST

START_TEST(a_listener_drains_in_the_place_of_a_sequencer_that_is_stuck) {
  constexpr Round kStuck{9, 9, false, false, false, true};
  Session session;
  session.drains(kElsewhere);
  session.wants_after(50, Action::kSequence);
  for (int i = 0; i < 100; ++i) {
    session.round(kStuck);
    session.wants_after(5, Action::kSequence);
  }
  session.round(kStuck);
  session.plan.notified("s", session.now);
  session.wants_after(50, Action::kSequence, "it works again");
}
END_TEST

START_TEST(a_drain_elsewhere_is_waited_for) {
  Session session;
  session.drains(kBusy);
  session.wants_after(50, Action::kSequence);
}
END_TEST

START_TEST(after_an_error_nothing_is_tried_for_a_second) {
  Session session;
  session.wants(Action::kSequence);
  ck_assert(session.plan.take_rejected(session.now));
  session.plan.notified("w", session.now);
  session.plan.notified("l", session.now);
  session.wants_after(1'000, Action::kAskWaiting);
}
END_TEST

START_TEST(an_error_in_the_loop_ends_it) {
  Session session;
  session.loops();
  session.wants(Action::kSequence);
  ck_assert(session.plan.take_rejected(session.now));
  session.wants(Action::kEnd);
  session.plan.take_ended(session.now);
  session.wants(Action::kSequence);
  ck_assert(session.plan.take_rejected(session.now));
  session.wants_after(1'000, Action::kSequence);
}
END_TEST

START_TEST(an_error_while_it_begins_gives_the_lock_back) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("w", session.now);
  session.wants(Action::kAskWaiting);
  session.plan.take_waiting(3);
  session.wants(Action::kBegin);
  ck_assert(session.plan.take_rejected(session.now));
  session.wants(Action::kEnd);
}
END_TEST

START_TEST(a_session_that_cannot_give_the_lock_back_must_end) {
  Session session;
  session.loops();
  session.wants(Action::kSequence);
  ck_assert(session.plan.take_rejected(session.now));
  session.wants(Action::kEnd);
  ck_assert(!session.plan.take_rejected(session.now));
}
END_TEST

}  // namespace

int main() {
  return run("sequencing", {
                               an_older_schema_gets_no_statement,
                               an_upgraded_schema_is_noticed_by_what_its_publishers_send,
                               what_a_dead_sequencer_left_is_drained_at_the_start,
                               leftovers_of_a_transaction_in_flight_are_looked_for_less_and_less,
                               a_sweep_looks_once,
                               a_publisher_that_leaves_without_a_sequencer_is_helped_at_once,
                               few_who_wait_begin_no_loop,
                               publishers_that_did_not_wait_are_not_counted,
                               a_lock_that_another_session_has_is_not_asked_for_again_at_once,
                               the_loop_pauses_by_what_a_round_has_moved,
                               a_loop_that_begins_before_anybody_leaves_goes_on,
                               a_busy_loop_goes_on_and_asks_each_second_whether_it_may,
                               a_loop_that_may_not_go_on_ends_and_settles,
                               a_loop_of_little_use_ends_within_a_tenth_of_a_second,
                               a_loop_that_finds_others_giving_ids_goes_on_for_three_seconds,
                               one_and_a_half_turns_a_round_are_enough,
                               loops_that_never_were_of_use_are_tried_less_and_less,
                               a_listener_leaves_the_work_to_a_sequencer_that_works,
                               a_listener_drains_in_the_place_of_a_sequencer_that_is_stuck,
                               a_drain_elsewhere_is_waited_for,
                               after_an_error_nothing_is_tried_for_a_second,
                               an_error_in_the_loop_ends_it,
                               an_error_while_it_begins_gives_the_lock_back,
                               a_session_that_cannot_give_the_lock_back_must_end,
                           });
}
