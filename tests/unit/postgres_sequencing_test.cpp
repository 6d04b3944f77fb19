// When a listener that does not sequence asks, begins, and drains what was left.
#include "sequencing_session.hpp"

using namespace pgevents::testing;

namespace {

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
  session.gets_ready();
  session.wants(Action::kAskWaiting);
}
END_TEST

START_TEST(what_a_dead_sequencer_left_is_drained_at_the_start) {
  Session session;
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

START_TEST(very_much_that_was_left_begins_the_loop) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("l", session.now);
  session.drains(kPart);
  session.wants(Action::kBegin);
  session.plan.take_begun(true, session.now);
  ck_assert(session.plan.loops());
  Session other;
  other.drains(kFull);
  other.wants(Action::kBegin);
  other.plan.take_begun(false, other.now);
  other.drains(kFull);
  other.drains(kOne);
  other.wants_after(5, Action::kSequence, "another session has the lock: it begins no loop");
}
END_TEST

START_TEST(what_makes_the_session_ready_is_sent_until_it_succeeds) {
  Session session(9);
  session.plan.take_version(10, session.now);
  session.wants(Action::kReady);
  ck_assert(session.plan.take_rejected(session.now));
  session.wants_after(1'000, Action::kReady);
  session.plan.take_ready();
  session.drains(kSettled);
  session.rests();
}
END_TEST

START_TEST(few_who_wait_begin_no_loop) {
  Session session;
  session.drains(kSettled);
  session.plan.notified("w", session.now);
  session.wants(Action::kAskWaiting);
  session.plan.take_waiting(3);
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
  session.plan.take_waiting(4);
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
                               very_much_that_was_left_begins_the_loop,
                               what_makes_the_session_ready_is_sent_until_it_succeeds,
                               few_who_wait_begin_no_loop,
                               publishers_that_did_not_wait_are_not_counted,
                               a_lock_that_another_session_has_is_not_asked_for_again_at_once,
                               a_listener_leaves_the_work_to_a_sequencer_that_works,
                               a_listener_drains_in_the_place_of_a_sequencer_that_is_stuck,
                               a_drain_elsewhere_is_waited_for,
                               after_an_error_nothing_is_tried_for_a_second,
                               an_error_in_the_loop_ends_it,
                               an_error_while_it_begins_gives_the_lock_back,
                               a_session_that_cannot_give_the_lock_back_must_end,
                           });
}
