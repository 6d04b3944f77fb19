// Which of the repeated lines a log gets.
#include "checks.hpp"
#include "core/text/absence_limit.hpp"
#include "core/text/repeat_limit.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(one_line_passes_in_each_interval_and_counts_the_others) {
  RepeatLimit limit(60'000);
  ck_assert(limit.pass(5));
  assert_text(limit.note(), "");
  ck_assert(!limit.pass(5));
  ck_assert(!limit.pass(60'004));
  ck_assert(limit.pass(60'005));
  assert_text(limit.note(), " (and 2 like it before)");
  ck_assert(limit.pass(120'005));
  assert_text(limit.note(), "");
}
END_TEST

START_TEST(an_absence_is_reported_at_once_each_minute_and_at_its_end) {
  AbsenceLimit limit;
  int lines = 0;
  for (std::int64_t now = 1'000; now < 301'000; now += 2'000) {  // one failure every two seconds, for five minutes
    const bool expected = (now - 1'000) % 60'000 == 0;
    ck_assert_int_eq(limit.away(now, 1'000, 0, "why"), expected);
    lines += expected ? 1 : 0;
  }
  ck_assert_int_eq(lines, 5);
  ck_assert(limit.back(301'000, 1'000));
}
END_TEST

START_TEST(another_reason_is_reported_after_ten_seconds) {
  AbsenceLimit limit;
  ck_assert(limit.away(0, 0, 0, "why"));
  ck_assert(!limit.away(9'999, 0, 1, "why"));
  ck_assert(limit.away(10'000, 0, 1, "why"));
  ck_assert(!limit.away(20'001, 0, 1, "why"));
  ck_assert(limit.away(20'001, 0, 0, "why"));
}
END_TEST

START_TEST(three_reasons_of_one_kind_each_have_a_line_after_ten_seconds) {
  AbsenceLimit limit;
  ck_assert(limit.away(0, 0, 2, "no schema"));
  ck_assert(!limit.away(5'000, 0, 2, "no function"));
  ck_assert(limit.away(11'000, 0, 2, "no function"));
  ck_assert(!limit.away(14'000, 0, 2, "no grant"));
  ck_assert(!limit.away(20'999, 0, 2, "no grant"));
  ck_assert(limit.away(21'000, 0, 2, "no grant"));
  ck_assert(!limit.away(80'999, 0, 2, "no grant"));
  ck_assert(limit.away(81'000, 0, 2, "no grant"));
}
END_TEST

START_TEST(absences_in_quick_succession_share_a_line) {
  AbsenceLimit limit;
  int lines = 0;
  for (std::int64_t now = 0; now < 60'000; now += 1'000) {  // it breaks every second
    const bool away = limit.away(now, now, 0, "why");
    lines += away ? 1 : 0;
    ck_assert_int_eq(limit.back(now + 100, now), away);  // its end has a line if it has one
  }
  ck_assert_int_eq(lines, 6);
  ck_assert(limit.away(70'000, 70'000, 0, "why"));
}
END_TEST

START_TEST(the_end_is_reported_by_a_process_that_did_not_see_the_beginning) {
  AbsenceLimit other;
  ck_assert(other.back(15'000, 5'000));
  ck_assert(!other.back(14'999, 5'000));
}
END_TEST

}  // namespace

int main() {
  return run("log_limits", {
                               one_line_passes_in_each_interval_and_counts_the_others,
                               an_absence_is_reported_at_once_each_minute_and_at_its_end,
                               another_reason_is_reported_after_ten_seconds,
                               three_reasons_of_one_kind_each_have_a_line_after_ten_seconds,
                               absences_in_quick_succession_share_a_line,
                               the_end_is_reported_by_a_process_that_did_not_see_the_beginning,
                           });
}
