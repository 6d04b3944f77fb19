// Events out of rows of the log, and pages of pgevents.fetch().
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "postgres/events.hpp"
#include "postgres_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using postgres::FetchedPage;

namespace {

constexpr std::size_t kColumns = 6;

Cells event_row(const std::string& id, std::optional<std::string> ttl = std::nullopt) {
  return {id, "cheese", "1406125522481000", "made", R"({"pieces":92})", std::move(ttl)};
}

Cells end_row(const std::string& cursor, const std::string& what) {
  return {cursor, std::nullopt, std::nullopt, what, std::nullopt, std::nullopt};
}

Cursor cursor_at(Cursor::Kind kind, std::uint64_t id = 0) {
  Cursor cursor;
  cursor.kind = kind;
  cursor.id = id;
  return cursor;
}

START_TEST(a_row_of_the_log_is_an_event) {
  const auto result = make_result({event_row("434", "60000"), event_row("435")}, kColumns);
  const postgres::EventRows rows(result.get());
  const EventView event = postgres::event_in(rows.front());
  ck_assert_uint_eq(event.id, 434);
  assert_text(event.channel, "cheese");
  ck_assert_int_eq(event.ts_us, 1406125522481000);
  assert_text(event.type, "made");
  assert_text(event.data, R"({"pieces":92})");
  ck_assert_int_eq(postgres::ttl_ms(rows.front()).value_or(-1), 60000);
  ck_assert(!postgres::ttl_ms(rows.back()));
}
END_TEST

START_TEST(an_event_is_a_view_of_its_result) {
  const auto result = make_result({event_row("434")}, kColumns);
  const EventView event = postgres::event_in(postgres::EventRows(result.get()).front());
  ck_assert_ptr_eq(event.data.data(), PQgetvalue(result.get(), 0, 4));
}
END_TEST

START_TEST(a_page_has_events_cursor_and_end) {
  const auto result = make_result({event_row("5"), event_row("7"), end_row("9", "end")}, kColumns);
  const auto page = FetchedPage::read(result.get());
  ck_assert(page.has_value());
  std::vector<std::uint64_t> ids;
  for (const auto row : page->events()) {
    ids.push_back(postgres::event_in(row).id);
  }
  ck_assert((ids == std::vector<std::uint64_t>{5, 7}));
  ck_assert_uint_eq(page->cursor(), 9);
  ck_assert(!page->more());
  const auto more = make_result({end_row("9", "more")}, kColumns);
  ck_assert(FetchedPage::read(more.get())->more());
}
END_TEST

START_TEST(rows_of_another_form_are_no_page) {
  const std::vector<postgres::ResultPtr> results = [] {
    std::vector<postgres::ResultPtr> made;
    made.push_back(make_result({}, kColumns));
    made.push_back(make_result({event_row("5")}, kColumns));                               // without its end
    made.push_back(make_result({{"9", std::nullopt, std::nullopt, "end"}}, 4));            // fewer columns
    made.push_back(make_result({end_row("9", "perhaps")}, kColumns));                      // an unknown end
    made.push_back(make_result({{"9", std::nullopt, "", "end", "", "", "one more"}}, 7));  // more columns
    return made;
  }();
  for (const auto& result : results) {
    ck_assert(!FetchedPage::read(result.get()));
  }
}
END_TEST

START_TEST(a_stream_opens_with_the_cursor_before_its_first_event) {
  const auto events = make_result({event_row("20"), end_row("30", "end")}, kColumns);
  const auto none = make_result({end_row("30", "end")}, kColumns);
  const auto page = FetchedPage::read(events.get());
  const auto empty = FetchedPage::read(none.get());
  ck_assert_uint_eq(page->opening_cursor(cursor_at(Cursor::Kind::kId, 7)), 7);
  ck_assert_uint_eq(empty->opening_cursor(cursor_at(Cursor::Kind::kId, 7)), 7);
  for (const auto kind : {Cursor::Kind::kNow, Cursor::Kind::kTime}) {
    ck_assert_uint_eq(page->opening_cursor(cursor_at(kind)), 19);
    ck_assert_uint_eq(empty->opening_cursor(cursor_at(kind)), 30);
  }
}
END_TEST

}  // namespace

int main() {
  return run("postgres_events", {
                                    a_row_of_the_log_is_an_event,
                                    an_event_is_a_view_of_its_result,
                                    a_page_has_events_cursor_and_end,
                                    rows_of_another_form_are_no_page,
                                    a_stream_opens_with_the_cursor_before_its_first_event,
                                });
}
