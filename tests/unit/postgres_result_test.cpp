// Results: rows and columns by name, values, answers and errors.
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "checks.hpp"
#include "postgres/answer.hpp"
#include "postgres/result.hpp"
#include "postgres/statements.hpp"
#include "postgres_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using postgres::Row;
using postgres::Rows;

namespace {

enum class Column { kName, kPieces, kOn, kCount };
using Shelf = Rows<Column>;

// A row number, and a column of another statement, do not compile in a column's place.
template <typename Argument, typename = void>
struct IsColumn : std::false_type {};
template <typename Argument>
struct IsColumn<Argument, std::void_t<decltype(std::declval<Row<Column>>().text(std::declval<Argument>()))>>
    : std::true_type {};
static_assert(IsColumn<Column>::value);
static_assert(!IsColumn<int>::value);
static_assert(!IsColumn<sql::EventColumn>::value);

START_TEST(rows_and_columns_are_read_by_name) {
  const auto result = make_result({{"cheese", "92", "t"}, {"wine", "-3", "f"}}, 3);
  const Shelf rows(result.get());
  ck_assert_int_eq(rows.size(), 2);
  ck_assert(rows.has_columns());
  assert_text(rows.front().text(Column::kName), "cheese");
  ck_assert_int_eq(rows.back().number<int>(Column::kPieces), -3);
  ck_assert(rows.at(0).is_true(Column::kOn));
  ck_assert(!rows.at(1).is_true(Column::kOn));
  std::string names;
  for (const auto row : rows) {
    names += row.text(Column::kName);
  }
  assert_text(names, "cheesewine");
  ck_assert_int_eq(rows.without_last().size(), 1);
}
END_TEST

START_TEST(null_has_empty_text) {
  const auto result = make_result({{std::nullopt, "", "t"}}, 3);
  const auto row = Shelf(result.get()).front();
  ck_assert(row.is_null(Column::kName));
  ck_assert(!row.is_null(Column::kPieces));
  assert_text(row.text(Column::kName), "");
  assert_text(row.text(Column::kPieces), "");
  ck_assert_int_eq(row.number<int>(Column::kName), 0);
}
END_TEST

START_TEST(other_columns_than_named_are_noticed) {
  const auto fewer = make_result({{"a", "b"}}, 2);
  ck_assert(!Shelf(fewer.get()).has_columns());
  const auto more = make_result({}, 4);
  ck_assert(!Shelf(more.get()).has_columns());
  ck_assert(Shelf(more.get()).empty());
}
END_TEST

START_TEST(numbers_that_do_not_fit_have_a_default) {
  ck_assert_uint_eq(postgres::number_in<std::uint64_t>("9223372036854775807"), 9223372036854775807U);
  ck_assert_int_eq(postgres::number_in<std::int64_t>("-9223372036854775808"), INT64_MIN);
  ck_assert_int_eq(postgres::number_in("", 7), 7);
  ck_assert_int_eq(postgres::number_in("x", 7), 7);
  ck_assert_int_eq(postgres::number_in<int>("99999999999", 7), 7);
}
END_TEST

START_TEST(an_answer_is_one_value) {
  const auto one = make_result({{"{\"a\":1}"}}, 1);
  assert_text(postgres::answer_of(postgres::result_of(one.get())).text.value_or("?"), "{\"a\":1}");
  const auto empty = make_result({{""}}, 1);
  assert_text(postgres::answer_of(postgres::result_of(empty.get())).text.value_or("?"), "");
}
END_TEST

START_TEST(no_row_two_rows_and_null_are_internal_errors) {
  const auto none = make_result({}, 1);
  const auto two = make_result({{"a"}, {"b"}}, 1);
  const auto null = make_result({{std::nullopt}}, 1);
  for (const PGresult* result : {none.get(), two.get(), null.get()}) {
    const auto answer = postgres::answer_of(postgres::result_of(result));
    ck_assert(!answer.text);
    assert_text(answer.sqlstate, "XX000");
  }
}
END_TEST

START_TEST(a_failure_has_no_rows) {
  const postgres::ResultPtr failed(PQmakeEmptyPGresult(nullptr, PGRES_FATAL_ERROR));
  for (const PGresult* result : {static_cast<const PGresult*>(failed.get()), static_cast<const PGresult*>(nullptr)}) {
    ck_assert(!postgres::succeeded(result));
    const auto outcome = postgres::result_of(result);
    ck_assert_ptr_null(outcome.rows);
    assert_text(outcome.sqlstate, "");
    ck_assert(!postgres::answer_of(outcome).text);
    assert_text(postgres::answer_of(outcome).sqlstate, "");
  }
  const postgres::ResultPtr done(PQmakeEmptyPGresult(nullptr, PGRES_COMMAND_OK));
  ck_assert(postgres::succeeded(done.get()));
}
END_TEST

START_TEST(an_unreachable_database_has_a_reason_and_no_sqlstate) {
  const auto answer = postgres::answer_of(postgres::not_reached("timed out"));
  ck_assert(!answer.text);
  assert_text(answer.sqlstate, "");
  assert_text(answer.message, "timed out");
}
END_TEST

}  // namespace

int main() {
  return run("postgres_result", {
                                    rows_and_columns_are_read_by_name,
                                    null_has_empty_text,
                                    other_columns_than_named_are_noticed,
                                    numbers_that_do_not_fit_have_a_default,
                                    an_answer_is_one_value,
                                    no_row_two_rows_and_null_are_internal_errors,
                                    a_failure_has_no_rows,
                                    an_unreachable_database_has_a_reason_and_no_sqlstate,
                                });
}
