// Origins of other sites: which rules are accepted, and which headers an answer has.
#include "core/request/origin.hpp"

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string told(const std::vector<Header>& headers) {
  std::string text;
  for (const Header& header : headers) {
    text += header.name + ": " + header.value + '\n';
  }
  return text;
}

constexpr char kExposed[] =
    "Access-Control-Expose-Headers: Last-Event-ID, Retry-After, X-PS-Reconnect-In, X-Shortpoll-Info\n";

START_TEST(a_rule_is_an_origin_a_pattern_or_a_star) {
  for (const char* rule :
       {"https://app.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]", "http://[2001:db8::1]:8080",
        "http://[::ffff:127.0.0.1]", "https://xn--kse-qla.example", "https://a_b.example:1", "https://app.example:80",
        "http://app.example:443", "https://a:65535", "chrome-extension://abcdefgh", "capacitor://localhost", "null",
        "*", "~https://.*", "~"}) {
    OriginRules rules;
    assert_text(rules.add(rule).value_or(""), "", rule);
    ck_assert(!rules.empty());
  }
}
END_TEST

START_TEST(a_rule_that_no_browser_would_match_is_rejected) {
  for (const char* rule : {"",
                           " ",
                           "app.example",
                           "https://",
                           "https://app.example/",
                           "https://app.example/x",
                           "https://app.example?x",
                           "https://app.example#x",
                           "https://*.example",
                           "https://App.example",
                           "HTTPS://app.example",
                           "https:app.example",
                           "https:/app.example",
                           "://x",
                           "1a://x",
                           "a b://x",
                           "https://a b",
                           " https://a",
                           "https://a ",
                           "https://a\nb",
                           "https://a\r\nX: y",
                           "https://u@h",
                           "https://käse.example",
                           "https://a:",
                           "https://:80",
                           "https://a:b",
                           "https://a:1:2",
                           "https://a:080",
                           "https://a:123456",
                           "https://a:-1",
                           "https://app.example:443",
                           "http://app.example:80",
                           "https://[::1",
                           "https://[]",
                           "https://[::1]x",
                           "https://[::1]:",
                           "https://[a-b]",
                           "https://::1",
                           "https://a]",
                           "Null",
                           "NULL",
                           "**",
                           "https://a,https://b",
                           "\xff://a",
                           "https://a\xff"}) {
    OriginRules rules;
    assert_text(rules.add(rule).value_or(""), "not an origin such as https://app.example", rule);
    ck_assert(rules.empty() && !rules.allows(rule));
  }
  OriginRules rules;
  assert_that(rules.add("https://" + std::string(248, 'a')).has_value(), "256 bytes");
  assert_that(!rules.add("https://" + std::string(247, 'a')), "255 bytes");
}
END_TEST

START_TEST(a_pattern_that_does_not_compile_is_rejected_with_the_offset) {
  for (const char* rule : {"~(", "~[a", "~\\C", "~\xff"}) {
    OriginRules rules;
    assert_that(rules.add(rule).value_or("").find("offset") != std::string::npos, rule);
    ck_assert(rules.empty());
  }
}
END_TEST

START_TEST(an_exact_origin_is_allowed_as_a_whole) {
  OriginRules rules;
  ck_assert(!rules.add("https://app.example"));
  ck_assert(rules.allows("https://app.example"));
  for (const char* origin :
       {"", "https://app.example:443", "http://app.example", "https://app.example.evil", "https://App.example"}) {
    assert_that(!rules.allows(origin), origin);
  }
}
END_TEST

START_TEST(a_pattern_must_match_the_whole_origin) {
  OriginRules rules;
  ck_assert(!rules.add("~https://[a-z]+\\.app\\.example"));
  ck_assert(rules.allows("https://x.app.example"));
  for (const char* origin :
       {"https://x.app.example.evil", "ahttps://x.app.example", "https://xaapp.example", "https://x.app.example\n"}) {
    assert_that(!rules.allows(origin), origin);
  }
}
END_TEST

START_TEST(a_pattern_gives_up_soon) {
  OriginRules rules;
  ck_assert(!rules.add("~https://((a+)+b|(?:a|aa)+c|.*)"));
  const double before_it = cpu_seconds();
  ck_assert(!rules.allows("https://" + std::string(247, 'a')));
  ck_assert(cpu_seconds() - before_it < 2);
  ck_assert(rules.allows("https://a"));
}
END_TEST

START_TEST(whatever_the_pattern_an_origin_is_one_short_line) {
  OriginRules rules;
  ck_assert(!rules.add("~(?s).*"));
  for (const std::string& origin : {std::string(), std::string("https://a\r\nX: y"), std::string("\xff"),
                                    std::string(256, 'a'), std::string("a\0b", 3), std::string("*")}) {
    ck_assert(!rules.allows(origin));
    assert_text(told(cors_headers(&rules, origin)), "Vary: Origin\n");
  }
}
END_TEST

START_TEST(rules_are_tried_one_by_one) {
  OriginRules rules;
  for (const char* rule : {"https://a", "~https://b[0-9]", "https://c", "null"}) {
    ck_assert(!rules.add(rule));
  }
  for (const char* origin : {"https://a", "https://b1", "https://c", "null"}) {
    assert_that(rules.allows(origin), origin);
  }
  for (const char* origin : {"https://b", "https://d", "Null", "*"}) {
    assert_that(!rules.allows(origin), origin);
  }
  ck_assert(rules.by_origin() && !rules.any());
}
END_TEST

START_TEST(without_rules_no_answer_has_cors_headers) {
  const OriginRules none;
  assert_text(told(cors_headers(nullptr, "https://a")), "");
  assert_text(told(cors_headers(&none, "https://a")), "");
  assert_text(told(preflight_headers(nullptr, "https://a", "GET, HEAD, POST")), "");
}
END_TEST

START_TEST(a_listed_origin_is_repeated_and_may_bring_credentials) {
  OriginRules rules;
  ck_assert(!rules.add("https://a"));
  assert_text(told(cors_headers(&rules, "https://a")),
              std::string("Access-Control-Allow-Origin: https://a\nAccess-Control-Allow-Credentials: true\n") +
                  kExposed + "Vary: Origin\n");
  assert_text(told(cors_headers(&rules, "https://b")), "Vary: Origin\n");
  assert_text(told(cors_headers(&rules, "")), "Vary: Origin\n");
  assert_text(told(cors_headers(&rules, "null")), "Vary: Origin\n");
}
END_TEST

START_TEST(an_origin_that_a_pattern_matches_is_repeated_too) {
  OriginRules rules;
  ck_assert(!rules.add("~https://[ab]"));
  for (const std::string origin : {"https://a", "https://b"}) {
    assert_text(told(cors_headers(&rules, origin)), "Access-Control-Allow-Origin: " + origin +
                                                        "\nAccess-Control-Allow-Credentials: true\n" + kExposed +
                                                        "Vary: Origin\n");
  }
  assert_text(told(cors_headers(&rules, "https://c")), "Vary: Origin\n");
}
END_TEST

START_TEST(a_star_never_comes_with_credentials) {
  OriginRules rules;
  ck_assert(!rules.add("*"));
  assert_text(told(cors_headers(&rules, "https://b")), std::string("Access-Control-Allow-Origin: *\n") + kExposed);
  assert_text(told(cors_headers(&rules, "null")), std::string("Access-Control-Allow-Origin: *\n") + kExposed);
  assert_text(told(cors_headers(&rules, "")), std::string("Access-Control-Allow-Origin: *\n") + kExposed);
  ck_assert(!rules.allows("https://b") && !rules.allows("*") && !rules.by_origin());
}
END_TEST

START_TEST(a_listed_origin_keeps_its_credentials_besides_a_star) {
  OriginRules rules;
  ck_assert(!rules.add("*"));
  ck_assert(!rules.add("https://a"));
  assert_text(told(cors_headers(&rules, "https://a")),
              std::string("Access-Control-Allow-Origin: https://a\nAccess-Control-Allow-Credentials: true\n") +
                  kExposed + "Vary: Origin\n");
  assert_text(told(cors_headers(&rules, "https://b")),
              std::string("Access-Control-Allow-Origin: *\n") + kExposed + "Vary: Origin\n");
}
END_TEST

constexpr char kPreflight[] =
    "Access-Control-Allow-Methods: GET, HEAD, POST\n"
    "Access-Control-Allow-Headers: Authorization, Content-Type, Flavor, Idempotency-Key, Last-Event-ID\n"
    "Access-Control-Max-Age: 7200\n";

START_TEST(allowed_origins_get_preflight_headers) {
  OriginRules rules;
  ck_assert(!rules.add("https://a"));
  assert_text(told(preflight_headers(&rules, "https://a", "GET, HEAD, POST")), kPreflight);
  assert_text(told(preflight_headers(&rules, "https://b", "GET, HEAD, POST")), "");
  assert_text(told(preflight_headers(&rules, "", "GET, HEAD, POST")), "");
  ck_assert(!rules.add("*"));
  assert_text(told(preflight_headers(&rules, "https://b", "GET, HEAD, POST")), kPreflight);
  assert_text(told(preflight_headers(&rules, "", "GET, HEAD, POST")), "");
}
END_TEST

}  // namespace

int main() {
  return run("origin", {
                           a_rule_is_an_origin_a_pattern_or_a_star,
                           a_rule_that_no_browser_would_match_is_rejected,
                           a_pattern_that_does_not_compile_is_rejected_with_the_offset,
                           an_exact_origin_is_allowed_as_a_whole,
                           a_pattern_must_match_the_whole_origin,
                           a_pattern_gives_up_soon,
                           whatever_the_pattern_an_origin_is_one_short_line,
                           rules_are_tried_one_by_one,
                           without_rules_no_answer_has_cors_headers,
                           a_listed_origin_is_repeated_and_may_bring_credentials,
                           an_origin_that_a_pattern_matches_is_repeated_too,
                           a_star_never_comes_with_credentials,
                           a_listed_origin_keeps_its_credentials_besides_a_star,
                           allowed_origins_get_preflight_headers,
                       });
}
