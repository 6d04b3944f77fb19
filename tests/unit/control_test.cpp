// Events of pgevents' own channel: events that the SQL functions write are read, all others ignored.
#include "core/wire/control.hpp"

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// The event as text: `revoked <user> <before_us>`, `disconnect <user>`, or "" for none.
std::string control(std::string_view type, std::string_view data) {
  const auto parsed = parse_control(type, data);
  if (!parsed) {
    return "";
  }
  if (parsed->kind == Control::Kind::kDisconnect) {
    return "disconnect " + parsed->user;
  }
  return "revoked " + parsed->user + ' ' + std::to_string(parsed->before_us);
}
std::string revoked(std::string_view data) {
  return control("pgevents.revoked", data);
}
std::string disconnect(std::string_view data) {
  return control("pgevents.disconnect", data);
}

START_TEST(a_revocation_names_user_and_time) {
  assert_text(revoked(R"({"user":"10","before_us":1656958539620000})"), "revoked 10 1656958539620000");
  assert_text(revoked(R"({"before_us": 0, "user": "10"})"), "revoked 10 0");
  assert_text(revoked(R"({"user":"10","before_us":9223372036854775807})"), "revoked 10 9223372036854775807");
  assert_text(revoked(R"({"user":"10","before_us":-5})"), "revoked 10 -5");
  assert_text(revoked(R"({"user":"Jos\u00e9 \"x\"","before_us":1})"), "revoked José \"x\" 1");
}
END_TEST

START_TEST(a_disconnection_names_the_user) {
  assert_text(disconnect(R"({"user":"10"})"), "disconnect 10");
  assert_text(disconnect(R"({"user":"10","before_us":7})"), "disconnect 10");
}
END_TEST

START_TEST(members_of_a_later_version_are_ignored) {
  assert_text(revoked(R"({"by":{"user":"admin"},"user":"10","before_us":1,"why":[1,2]})"), "revoked 10 1");
}
END_TEST

START_TEST(other_types_are_nothing) {
  for (const char* const type :
       {"", "pgevents.reset", "revoked", "disconnect", "pgevents.revoked ", "Pgevents.revoked"}) {
    assert_text(control(type, R"({"user":"10","before_us":1})"), "", type);
  }
}
END_TEST

START_TEST(malformed_data_is_nothing) {
  for (const char* const bad :
       {"", "null", "[]", "\"10\"", "{", "{}", R"({"user":10})", R"({"user":null})", R"({"user":""})",
        R"({"user":["10"]})", R"({"User":"10"})", R"({"user":"10"}x)", R"({"user":"a\u0000b"})", R"({"user":"a\nb"})",
        R"({"user":"10","user":"11"})", "{\"user\":\"\xff\"}"}) {
    assert_text(disconnect(bad), "", bad);
    assert_text(revoked(bad), "", bad);
  }
  assert_text(disconnect("{\"user\":\"" + std::string(256, 'x') + "\"}"), "");
}
END_TEST

START_TEST(a_time_is_a_whole_number_of_64_bits) {
  for (const char* const bad : {"1.0", "1e3", "\"1\"", "null", "true", "[1]", "9223372036854775808",
                                "-9223372036854775809", "+1", "0x10", "1 2", "01", "", "-"}) {
    assert_text(revoked(R"({"user":"10","before_us":)" + std::string(bad) + '}'), "", bad);
  }
  assert_text(revoked(R"({"user":"10"})"), "");
  assert_text(revoked(R"({"user":"10","before_us":1,"before_us":2})"), "");
}
END_TEST

}  // namespace

int main() {
  return run("control", {
                            a_revocation_names_user_and_time,
                            a_disconnection_names_the_user,
                            members_of_a_later_version_are_ignored,
                            other_types_are_nothing,
                            malformed_data_is_nothing,
                            a_time_is_a_whole_number_of_64_bits,
                        });
}
