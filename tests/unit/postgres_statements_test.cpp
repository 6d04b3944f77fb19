// What goes to the database: array literals, statements, and classes of SQLSTATEs.
#include <set>
#include <string>

#include "checks.hpp"
#include "postgres/array.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(elements_become_an_array_literal) {
  assert_text(postgres::array_literal({}), "{}");
  assert_text(postgres::array_literal({"a"}), R"({"a"})");
  assert_text(postgres::array_literal({"a", "b,c", "{}", "NULL", ""}), R"({"a","b,c","{}","NULL",""})");
  assert_text(postgres::array_literal({"a\"b\\c"}), R"({"a\"b\\c"})");
}
END_TEST

START_TEST(each_endpoint_has_its_statement) {
  const struct {
    Endpoint endpoint;
    const char* function;
  } rows[] = {{Endpoint::kRegister, "http_register("},
              {Endpoint::kReportPresence, "http_report_presence("},
              {Endpoint::kUserPresence, "http_user_presence("},
              {Endpoint::kRealmPresence, "http_realm_presence("},
              {Endpoint::kTyping, "http_typing("},
              {Endpoint::kSettings, "http_settings("}};
  for (const auto& row : rows) {
    assert_that(std::string(sql::call_statement(row.endpoint).text).find(row.function) != std::string::npos,
                row.function);
  }
}
END_TEST

START_TEST(prepared_statements_have_names_of_their_own) {
  std::set<std::string> names;
  for (const auto& sql : {sql::kFetch, sql::kLogAfter, sql::kPublish, sql::kTokenRevoked, sql::kRegister,
                          sql::kReportPresence, sql::kUserPresence, sql::kRealmPresence, sql::kTyping, sql::kSettings,
                          sql::kPresencePoll, sql::kPresenceTick, sql::kPrune, sql::kIsCopy}) {
    assert_that(names.insert(sql.name).second, sql.name);
    ck_assert_uint_lt(std::string(sql.name).size(), 64);  // PostgreSQL cuts longer names
  }
}
END_TEST

START_TEST(a_lost_prepared_statement_is_recognized) {
  ck_assert(postgres::lost_prepared_statement("26000"));
  ck_assert(postgres::lost_prepared_statement("42P05"));
  ck_assert(!postgres::lost_prepared_statement("42P01"));
  ck_assert(!postgres::lost_prepared_statement(""));
}
END_TEST

START_TEST(errors_for_clients_are_recognized) {
  ck_assert(postgres::is_raised_for_client("PT403"));
  ck_assert(!postgres::is_raised_for_client("P0001"));
  ck_assert(!postgres::is_raised_for_client(""));
}
END_TEST

START_TEST(errors_of_the_installation_have_advice) {
  for (const char* sqlstate : {"3F000", "42883", "42P01", "42703"}) {
    assert_that(std::string(postgres::advice(sqlstate)).find("; run pgevents-schema ") == 0, sqlstate);
  }
  assert_text(postgres::advice("42501"), "; GRANT pgevents_server TO the role that connects");
  assert_text(postgres::advice("40001"), "");
  assert_text(postgres::advice(""), "");
}
END_TEST

}  // namespace

int main() {
  return run("postgres_statements", {
                                        elements_become_an_array_literal,
                                        each_endpoint_has_its_statement,
                                        prepared_statements_have_names_of_their_own,
                                        a_lost_prepared_statement_is_recognized,
                                        errors_for_clients_are_recognized,
                                        errors_of_the_installation_have_advice,
                                    });
}
