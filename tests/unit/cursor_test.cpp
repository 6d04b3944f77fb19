// Cursors as clients write them: ids, times, nothing; and their limits.
#include "core/wire/cursor.hpp"

#include <string>

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(nothing_means_from_now_on) {
  const auto cursor = parse_cursor("");
  ck_assert(cursor && cursor->kind == Cursor::Kind::kNow);
}
END_TEST

START_TEST(digits_are_an_id) {
  const struct {
    const char* text;
    std::uint64_t id;
  } rows[] = {{"0", 0}, {"1", 1}, {"434", 434}, {"0434", 434}, {"9223372036854775807", 9223372036854775807U}};
  for (const auto& row : rows) {
    const auto cursor = parse_cursor(row.text);
    assert_that(cursor && cursor->kind == Cursor::Kind::kId && cursor->id == row.id, row.text);
  }
}
END_TEST

START_TEST(rt_is_a_time_in_microseconds) {
  const struct {
    const char* text;
    std::int64_t time_us;
  } rows[] = {{"rt-0", 0},
              {"rt-1406125522", 1406125522000000},
              {"rt-1406125522.481", 1406125522481000},
              {"rt-1406125522.000001", 1406125522000001},
              {"rt-0.5", 500000},
              {"rt-1.1234567899999999999999999", 1123456},  // cut off, not rounded: no event is skipped
              {"rt-253402300799.999999", 253402300799999999}};
  for (const auto& row : rows) {
    const auto cursor = parse_cursor(row.text);
    assert_that(cursor && cursor->kind == Cursor::Kind::kTime && cursor->time_us == row.time_us, row.text);
  }
}
END_TEST

START_TEST(everything_else_is_rejected) {
  for (const char* text : {
           "9223372036854775808",   // one more than bigint's maximum
           "18446744073709551616",  // one more than the maximum of 64 bits
           "99999999999999999999999999999",
           "-1",
           "+1",
           " 1",
           "1 ",
           "1.0",
           "1e3",
           "0x10",
           "now",
           "434,435",
           "null",
           "undefined",
           "\n",
           "1\n",
           "rt-",
           "rt",
           "rt-.5",
           "rt-1.",
           "rt--1",
           "rt-+1",
           "rt-1.2.3",
           "rt-1.-5",
           "rt-1e9",
           "rt-nan",
           "rt- 1",
           "RT-1",
           "rt-253402300800",   // the year 10000
           "rt-1406125522481",  // milliseconds
           "rt-99999999999999999999",
       }) {
    assert_that(!parse_cursor(text), text);
  }
  assert_that(!parse_cursor(std::string_view("1\0", 2)), "a NUL behind the digits");
  assert_that(!parse_cursor(std::string(100000, '9')), "a hundred thousand digits");
}
END_TEST

START_TEST(a_cursor_is_written_as_it_is_read) {
  for (const char* text : {"", "0", "434", "9223372036854775807", "rt-0", "rt-1406125522", "rt-1406125522.481000",
                           "rt-1.000001", "rt-253402300799.999999"}) {
    assert_text(cursor_text(*parse_cursor(text)), text);
  }
  assert_text(cursor_text(*parse_cursor("rt-1.5")), "rt-1.500000");
}
END_TEST

START_TEST(now_becomes_the_time_five_seconds_before) {
  assert_text(cursor_text(fixed_start({}, 1406125522.999)), "rt-1406125517");
  assert_text(cursor_text(fixed_start({}, 1406125522.0)), "rt-1406125517");
  assert_text(cursor_text(fixed_start({}, 3)), "rt-0");
  for (const char* text : {"0", "434", "rt-1.000001"}) {
    assert_text(cursor_text(fixed_start(*parse_cursor(text), 1406125522)), text);
  }
}
END_TEST

START_TEST(an_id_stands_for_itself_before_its_first_row) {
  ck_assert_uint_eq(cursor_before(*parse_cursor("7"), 20), 7);
  ck_assert_uint_eq(cursor_before(*parse_cursor("0"), 20), 0);
}
END_TEST

START_TEST(a_time_becomes_the_id_before_its_first_row) {
  ck_assert_uint_eq(cursor_before(*parse_cursor("rt-1"), 20), 19);
  ck_assert_uint_eq(cursor_before(*parse_cursor("rt-1"), 0), 0);
}
END_TEST

}  // namespace

int main() {
  return run("cursor", {
                           nothing_means_from_now_on,
                           digits_are_an_id,
                           rt_is_a_time_in_microseconds,
                           everything_else_is_rejected,
                           a_cursor_is_written_as_it_is_read,
                           now_becomes_the_time_five_seconds_before,
                           an_id_stands_for_itself_before_its_first_row,
                           a_time_becomes_the_id_before_its_first_row,
                       });
}
