// The loop of a listener that sequences: its rounds, its pauses, its end.
#include <cstdint>
#include <vector>

#include "sequencing_session.hpp"

using namespace pgevents::testing;

namespace {

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

START_TEST(a_loop_that_can_do_nothing_yet_goes_on_for_three_seconds) {
  for (const Round& early : {kBusy, kUnsettled}) {
    Session session;
    session.loops();
    const std::int64_t from = session.now;
    while (session.plan.next(session.now) != Action::kEnd) {
      session.rounds(1, early);
      assert_that(session.now < from + 4'000, "it has not ended");
    }
    assert_that(session.now > from + 2'900, "those who waited before may take so long");
    Session other;
    other.loops();
    other.rounds(500, early);
    other.rounds(500, kMany);
    ck_assert(other.plan.next(other.now) != Action::kEnd);
  }
}
END_TEST

START_TEST(rounds_beside_slow_flushes_do_not_count) {
  Session session;
  session.loops();
  session.rounds(49, kUnsettled);  // the publishers have left, and wait for the disk
  session.rounds(1, kOne, 60);     // the first of them has not
  for (int flush = 0; flush < 20; ++flush) {
    session.rounds(49, kUnsettled);
    session.rounds(1, kMany, 60);
  }
  ck_assert(session.plan.next(session.now) != Action::kEnd);
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
    session.plan.take_waiting(4);
    session.wants(Action::kBegin);
    session.plan.take_begun(true, session.now);
  }
}
END_TEST

START_TEST(a_loop_goes_on_while_rounds_take_parts_of_a_big_turn) {
  Session session;
  session.loops();
  session.rounds(500, kPart, 12);
  ck_assert(session.plan.next(session.now) != Action::kEnd);
  // Short ones, again and again, do not make the next loop begin later.
  for (int i = 0; i < 5; ++i) {
    session.rounds(30, kPart, 12);
    while (session.plan.next(session.now) != Action::kEnd) {
      session.rounds(1, kSettled);
    }
    session.plan.take_ended(session.now);
    session.drains(kPart);
    session.wants(Action::kBegin);
    session.plan.take_begun(true, session.now);
  }
}
END_TEST

}  // namespace

int main() {
  return run("sequencing loop", {
                                    the_loop_pauses_by_what_a_round_has_moved,
                                    a_loop_that_begins_before_anybody_leaves_goes_on,
                                    a_busy_loop_goes_on_and_asks_each_second_whether_it_may,
                                    a_loop_that_may_not_go_on_ends_and_settles,
                                    a_loop_of_little_use_ends_within_a_tenth_of_a_second,
                                    a_loop_that_can_do_nothing_yet_goes_on_for_three_seconds,
                                    rounds_beside_slow_flushes_do_not_count,
                                    one_and_a_half_turns_a_round_are_enough,
                                    loops_that_never_were_of_use_are_tried_less_and_less,
                                    a_loop_goes_on_while_rounds_take_parts_of_a_big_turn,
                                });
}
