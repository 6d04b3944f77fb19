// Which schema versions a program uses. How a schema without the function, or none at all, is found out is tested with
// a server (tests/module/schema_version.test.mjs).
#include <string>

#include "postgres/session_start.hpp"
#include "postgres_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using Next = postgres::SessionStart::Next;

namespace {

// What becomes of a session whose schema answers with these versions; empty if it is used.
std::string verdict(int version, int serves_from, const char* database = "app") {
  postgres::SessionStart session("pool");
  session.begin();
  ck_assert(session.next() == Next::kAsk);
  assert_text(*session.statement().params.at(0), "pool");
  ck_assert(session.next() == Next::kFail);  // until there is an answer
  session.take(make_result({{std::to_string(version), std::to_string(serves_from)}}, 2).get(), database);
  return session.next() == Next::kUse ? "" : session.problem();
}

START_TEST(schemas_that_fit_are_used) {
  assert_text(verdict(postgres::kSchemaVersion, postgres::kOldestSchema), "");
  assert_text(verdict(postgres::kOldestSchema, 0), "");
  assert_text(verdict(postgres::kSchemaVersion + 3, postgres::kSchemaVersion), "");
}
END_TEST

START_TEST(the_version_of_a_schema_that_fits_is_known) {
  postgres::SessionStart session("listener");
  session.begin();
  session.statement();
  session.take(make_result({{"8", "7"}}, 2).get(), "app");
  ck_assert_int_eq(session.version(), 8);
}
END_TEST

START_TEST(an_older_schema_is_named_with_the_command) {
  const std::string text = verdict(postgres::kOldestSchema - 1, 1);
  assert_that(text.find("schema \"pgevents\" of database \"app\" has version 6, this program needs version 7") == 0,
              text);
  assert_that(
      text.find("run pgevents-schema upgrade there (or psql -f sql/install.sql), of this release") != std::string::npos,
      text);
  const std::string split = verdict(postgres::kOldestSchema - 1, 1, "a\nb");
  assert_that(split.find("of database \"a b\" has version 6") != std::string::npos, "one line: " + split);
}
END_TEST

START_TEST(a_newer_schema_that_no_longer_serves_this_program_is_named) {
  const std::string text = verdict(postgres::kSchemaVersion + 1, postgres::kSchemaVersion + 1);
  const std::string newer = std::to_string(postgres::kSchemaVersion + 1);
  const std::string expected = "has version " + newer + " and serves programs of version " + newer +
                               " or later, this one is of version " + std::to_string(postgres::kSchemaVersion);
  assert_that(text.find(expected) != std::string::npos, text);
}
END_TEST

START_TEST(an_answer_of_another_form_is_not_used) {
  postgres::SessionStart session("pool");
  for (const auto& result : {make_result({}, 2), make_result({{"9"}}, 1), make_result({{"9", "7"}, {"9", "7"}}, 2)}) {
    session.begin();
    session.statement();
    session.take(result.get(), "app");
    ck_assert(session.next() == Next::kFail);
  }
}
END_TEST

}  // namespace

int main() {
  return run("session_start", {
                                  schemas_that_fit_are_used,
                                  the_version_of_a_schema_that_fits_is_known,
                                  an_older_schema_is_named_with_the_command,
                                  a_newer_schema_that_no_longer_serves_this_program_is_named,
                                  an_answer_of_another_form_is_not_used,
                              });
}
