// Claims of a verified token: each is accepted in every type that it may have, and rejected in every other.
#include <cmath>

#include "jwt_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string verdict_on(const std::string& payload) {
  return verdict_with(kSecret, token_of(payload));
}

std::string list(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) {
    result += '<' + text + '>';
  }
  return result;
}

START_TEST(a_token_may_say_nothing) {
  const Claims claims = claims_of(R"({"name":"Ann","admin":true,"nested":{"sub":1,"exp":"x"}})");
  assert_text(claims.user + claims.realm + claims.issuer, "");
  ck_assert(claims.audience.empty() && claims.subscribe.empty() && claims.publish.empty());
  ck_assert(!claims.expires_at && !claims.not_before && !claims.issued_at);
}
END_TEST

START_TEST(a_token_may_say_everything) {
  const Claims claims =
      claims_of(R"({"sub":"10","realm":"shop","iss":"https://id.example","aud":["a","b"],"exp":1700000060,)"
                R"("nbf":1699999999.5,"iat":1.7e9,"pgevents":{"subscribe":["a*","user:{user}"],"publish":["b"]}})");
  assert_text(claims.user, "10");
  assert_text(claims.realm, "shop");
  assert_text(claims.issuer, "https://id.example");
  assert_text(list(claims.audience), "<a><b>");
  assert_text(list(claims.subscribe), "<a*><user:{user}>");
  assert_text(list(claims.publish), "<b>");
  ck_assert(claims.expires_at == 1700000060);
  ck_assert(claims.not_before == 1699999999.5);
  ck_assert(claims.issued_at == 1.7e9);
}
END_TEST

START_TEST(a_user_may_be_an_integer) {
  assert_text(claims_of(R"({"sub":10})").user, "10");
  assert_text(claims_of(R"({"sub":0})").user, "0");
  assert_text(claims_of(R"({"sub":-7})").user, "-7");
  assert_text(claims_of(R"({"sub":9223372036854775807})").user, "9223372036854775807");
}
END_TEST

// A number that loses a digit would be another user.
START_TEST(a_user_is_a_string_or_an_integer) {
  for (const char* const bad : {"10.0", "1e1", "9223372036854775808", "-9223372036854775809", "1e400"}) {
    assert_that(verdict_on(R"({"sub":)" + std::string(bad) + '}') != "good", bad);
  }
}
END_TEST

START_TEST(users_and_realms_are_names) {
  const std::string longest(255, 'x');
  for (const std::string claim : {"sub", "realm"}) {
    const std::string start = "{\"" + claim + "\":";
    const std::string fault = "its claim \"" + claim + "\" is not a name of 1 to 255 bytes without control characters";
    assert_text(verdict_on(start + '"' + longest + "\"}"), "good");
    assert_text(verdict_on(start + "\"Jos\xc3\xa9 \\u00e9 @ / * {user}\"}"), "good");
    for (const std::string& bad :
         {std::string("\"\""), '"' + longest + "x\"", std::string("\"a\\nb\""), std::string("\"\\u001f\""),
          std::string("\"\\u007f\""), std::string("null"), std::string("true"), std::string("[\"a\"]"),
          std::string("{}"), std::string("1.5")}) {
      assert_text(verdict_on(start + bad + '}'), fault, bad);
    }
  }
  assert_that(verdict_on(R"({"realm":5})") != "good", "a realm that is a number");
}
END_TEST

START_TEST(an_audience_is_a_string_or_a_list_of_strings) {
  assert_text(list(claims_of(R"({"aud":"a b"})").audience), "<a b>");
  assert_text(list(claims_of(R"({"aud":[]})").audience), "");
  assert_text(list(claims_of(R"({"aud":["","a"]})").audience), "<><a>");
  for (const char* const bad : {"1", "null", "{}", "[1]", R"(["a",null])", R"([["a"]])"}) {
    assert_text(verdict_on(R"({"aud":)" + std::string(bad) + '}'),
                "its claim \"aud\" is not a string or a list of strings", bad);
  }
}
END_TEST

START_TEST(an_issuer_is_a_string) {
  for (const char* const bad : {"1", "null", "{}", R"(["a"])", "false"}) {
    assert_text(verdict_on(R"({"iss":)" + std::string(bad) + '}'), "its claim \"iss\" is not a string", bad);
  }
}
END_TEST

START_TEST(grants_are_lists_of_strings) {
  assert_text(list(claims_of(R"({"pgevents":{}})").subscribe), "");
  assert_text(list(claims_of(R"({"pgevents":{"publish":["a"],"later":1}})").publish), "<a>");
  for (const char* const bad : {"null", "[]", "\"*\"", "1", "true"}) {
    assert_text(verdict_on(R"({"pgevents":)" + std::string(bad) + '}'), "its claim \"pgevents\" is not an object", bad);
  }
  for (const std::string name : {"subscribe", "publish"}) {
    for (const char* const bad : {"null", "{}", "\"*\"", "[1]", R"(["a",["b"]])", R"(["a",null])", R"({"0":"a"})"}) {
      assert_text(verdict_on("{\"pgevents\":{\"" + name + "\":" + bad + "}}"),
                  "its claim \"pgevents." + name + "\" is not a list of strings", bad);
    }
  }
}
END_TEST

START_TEST(dates_are_numbers) {
  for (const std::string name : {"exp", "nbf", "iat"}) {
    for (const char* const good : {"0", "-1", "1700000000", "1700000000.25", "1.7e9", "-0.0"}) {
      assert_text(verdict_on("{\"" + name + "\":" + good + '}'), "good", good);
    }
    for (const char* const bad : {"\"1700000000\"", "null", "true", "[1]", "{}", "\"\""}) {
      assert_text(verdict_on("{\"" + name + "\":" + bad + '}'), "its claim \"" + name + "\" is not a number", bad);
    }
  }
}
END_TEST

// The code that uses these times counts microseconds in 64 bits.
START_TEST(far_dates_count_as_the_farthest) {
  ck_assert(claims_of(R"({"exp":9007199254740991})").expires_at == kMaxClaimedTime);
  ck_assert(claims_of(R"({"exp":1e308})").expires_at == kMaxClaimedTime);
  ck_assert(claims_of(R"({"iat":-1e308})").issued_at == -kMaxClaimedTime);
  ck_assert(std::abs(kMaxClaimedTime * 1e6) < 9223372036854775807.0);
}
END_TEST

}  // namespace

int main() {
  return run("jwt_claims", {
                               a_token_may_say_nothing,
                               a_token_may_say_everything,
                               a_user_may_be_an_integer,
                               a_user_is_a_string_or_an_integer,
                               users_and_realms_are_names,
                               an_audience_is_a_string_or_a_list_of_strings,
                               an_issuer_is_a_string,
                               grants_are_lists_of_strings,
                               dates_are_numbers,
                               far_dates_count_as_the_farthest,
                           });
}
