// The caller's identity from a token or the web server: the clock, service and realm, users, revocation.
#include "access_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kExpired[] = "401 TOKEN_EXPIRED The token has expired";
constexpr char kEarly[] = "401 The token is not valid yet";
constexpr char kOtherService[] = "401 The token is for another service";
constexpr char kOtherRealm[] = "401 The token is for another realm";

START_TEST(times_are_compared_with_the_clock) {
  const struct {
    const char* claims;
    double now, leeway;
    const char* wanted;
  } rows[] = {
      {R"({"exp":100})", 99.9, 0, "/main"},
      {R"({"exp":100})", 100, 0, kExpired},
      {R"({"exp":100})", 109.9, 10, "/main"},
      {R"({"exp":100})", 110, 10, kExpired},
      {R"({"exp":100.5})", 100.4, 0, "/main"},
      {R"({"exp":100.5})", 100.5, 0, kExpired},
      {R"({"exp":-1})", 1, 0, kExpired},
      {R"({"exp":0})", 1, 0, kExpired},
      {R"({"exp":1e300})", 1, 0, "/main"},
      {R"({"exp":100,"nbf":50})", 48.9, 0, kEarly},
      {R"({"exp":100,"nbf":50})", 49, 0, "/main"},
      {R"({"exp":100,"nbf":49.9999})", 49.999, 0, "/main"},  // made now, by a clock that is more exact
      {R"({"exp":100,"nbf":50})", 43.9, 5, kEarly},
      {R"({"exp":100,"nbf":50})", 44, 5, "/main"},
      {R"({"exp":100,"iat":50})", 48.9, 0, kEarly},
      {R"({"exp":100,"iat":50})", 49, 0, "/main"},
      {R"({"exp":100,"iat":49.9999})", 49.999, 0, "/main"},  // made now, by a clock that is more exact
      {R"({"exp":100,"iat":50})", 43.9, 5, kEarly},
      {R"({"exp":100,"iat":50})", 44, 5, "/main"},
      {R"({"exp":100,"iat":1,"nbf":50})", 48, 0, kEarly},
      {R"({"exp":100,"iat":50,"nbf":1})", 48, 0, kEarly},
      {R"({"exp":100,"nbf":-1e300,"iat":-1e300})", 1, 0, "/main"},
      {R"({"exp":100,"nbf":200})", 150, 0, kExpired},
      {R"({})", 1, 0, "401 The token has no expiry"},
      {R"({"nbf":50})", 1, 0, "401 The token has no expiry"},
      {R"({"exp":"100"})", 1, 0, kInvalid},
      {R"({"exp":null})", 1, 0, kInvalid},
      {R"({"exp":100,"nbf":"1"})", 1, 0, kInvalid},
      {R"({"exp":100,"iat":[1]})", 1, 0, kInvalid},
  };
  for (const auto& row : rows) {
    Case one;
    one.bearer(token_of(row.claims));
    one.now = row.now;
    one.rules.token.leeway = row.leeway;
    assert_text(one.who(), row.wanted, std::string(row.claims) + " at " + std::to_string(row.now));
  }
}
END_TEST

START_TEST(an_expiry_may_be_left_out_where_none_is_required_but_counts_where_it_is_given) {
  Case one;
  one.rules.token.require_exp = false;
  one.bearer(token_of(R"({"sub":10})"));
  assert_text(one.who(), "10/main");
  ck_assert(!one.caller().session.expires_at);
  one.bearer(token_of(R"({"sub":10,"exp":1})"));
  assert_text(one.who(), kExpired);
}
END_TEST

START_TEST(a_session_ends_with_its_token_plus_leeway) {
  Case one;
  one.bearer(token_of(R"({"sub":10,"exp":1700000100.5})"));
  ck_assert(one.caller().session.by_token && one.caller().session.expires_at == 1700000100.5);
  one.rules.token.leeway = 5;
  ck_assert(one.caller().session.expires_at == 1700000105.5);
}
END_TEST

START_TEST(a_session_knows_when_its_token_was_issued) {
  const struct {
    const char* iat;
    std::int64_t issued_us;
  } rows[] = {
      {"1699999999", 1699999999000000},
      {"1699999999.25", 1699999999250000},
      {"0.0000015", 1},
      {"0", 0},
      {"-5", 0},
      {"-1e300", 0},
  };
  for (const auto& row : rows) {
    Case one;
    one.bearer(user_token(std::string(R"("iat":)") + row.iat));
    assert_that(one.caller().session.issued_us == row.issued_us, row.iat);
  }
  Case one;
  ck_assert(one.bearer(user_token()).caller().session.issued_us == 0);
  one.rules.token.leeway = 1e13;
  ck_assert(one.bearer(user_token(R"("iat":1e300)")).caller().session.issued_us == 9000000000000000000);
}
END_TEST

START_TEST(audience_and_issuer_must_be_the_configured_ones) {
  const struct {
    const char* claims;
    const char* audience;
    const char* issuer;
    const char* wanted;
  } rows[] = {
      {R"("aud":"us")", "us", "", "/main"},
      {R"("aud":["them","us"])", "us", "", "/main"},
      {R"("aud":"them")", "us", "", kOtherService},
      {R"("aud":"usa")", "us", "", kOtherService},
      {R"("aud":"US")", "us", "", kOtherService},
      {R"("aud":["them"])", "us", "", kOtherService},
      {R"("aud":[])", "us", "", kOtherService},
      {R"("x":1)", "us", "", kOtherService},
      {R"("aud":"them")", "", "", "/main"},
      {R"("aud":7)", "us", "", kInvalid},
      {R"("aud":["us",7])", "us", "", kInvalid},
      {R"("iss":"i")", "", "i", "/main"},
      {R"("iss":"j")", "", "i", kOtherService},
      {R"("iss":"")", "", "i", kOtherService},
      {R"("x":1)", "", "i", kOtherService},
      {R"("iss":"j")", "", "", "/main"},
      {R"("iss":["i"])", "", "i", kInvalid},
      {R"("iss":"i","aud":"us")", "us", "i", "/main"},
      {R"("iss":"i","aud":"them")", "us", "i", kOtherService},
      {R"("iss":"j","aud":"us")", "us", "i", kOtherService},
  };
  for (const auto& row : rows) {
    Case one;
    one.bearer(user_token(row.claims));
    one.rules.token.audience = row.audience;
    one.rules.token.issuer = row.issuer;
    assert_text(one.who(), row.wanted, row.claims);
  }
}
END_TEST

START_TEST(a_realm_is_the_tokens_the_web_servers_or_main) {
  const struct {
    const char* claims;
    const char* realm;
    const char* wanted;
  } rows[] = {
      {R"("x":1)", "", "/main"},
      {R"("x":1)", "north", "/north"},
      {R"("realm":"north")", "", "/north"},
      {R"("realm":"north")", "north", "/north"},
      {R"("realm":"main")", "", "/main"},
      {R"("realm":"main")", "north", kOtherRealm},
      {R"("realm":"south")", "north", kOtherRealm},
      {R"("realm":"North")", "north", kOtherRealm},
      {R"("realm":"north*")", "north", kOtherRealm},
      {R"("realm":"")", "", kInvalid},
      {R"("realm":7)", "", kInvalid},
      {R"("realm":"a\nb")", "", kInvalid},
      {R"("realm":null)", "north", kInvalid},
  };
  for (const auto& row : rows) {
    Case one;
    one.bearer(user_token(row.claims));
    one.rules.realm = row.realm;
    assert_text(one.who(), row.wanted, row.claims);
  }
  Case anonymous;
  assert_text(anonymous.who(), "/main");
  anonymous.rules.realm = "north";
  assert_text(anonymous.who(), "/north");
}
END_TEST

START_TEST(a_user_is_a_name_or_an_integer) {
  const std::string longest(255, 'x');
  const struct {
    std::string sub;
    std::string wanted;
  } rows[] = {
      {"\"10\"", "10/main"},
      {"10", "10/main"},
      {"-7", "-7/main"},
      {"9223372036854775807", "9223372036854775807/main"},
      {"\"*\"", "*/main"},
      {"\"{user}\"", "{user}/main"},
      {"\"a b/é\"", "a b/é/main"},
      {'"' + longest + '"', longest + "/main"},
      {'"' + longest + "x\"", kInvalid},
      {"\"\"", kInvalid},
      {"\"a\\nb\"", kInvalid},
      {"\"a\\u007fb\"", kInvalid},
      {"\"a\\u0000b\"", kInvalid},
      {"1.5", kInvalid},
      {"9223372036854775808", kInvalid},
      {"true", kInvalid},
      {"null", kInvalid},
      {"[\"10\"]", kInvalid},
      {"{}", kInvalid},
  };
  for (const auto& row : rows) {
    Case one;
    one.bearer(user_token("\"sub\":" + row.sub));
    assert_text(one.who(), row.wanted, row.sub);
  }
}
END_TEST

START_TEST(a_token_without_a_user_is_one_with_grants_only) {
  Case one;
  one.bearer(user_token(R"("pgevents":{"subscribe":["a"]})"));
  assert_text(one.who(), "/main");
  ck_assert(one.caller().session.by_token);
  assert_text(joined(one.caller().subscribe), "a");
}
END_TEST

START_TEST(the_web_servers_values_are_checked_with_and_without_a_token) {
  const std::string long_name(256, 'x');
  for (const std::string& bad : {std::string("a\nb"), std::string("\xff"), long_name, std::string("a\0b", 3)}) {
    Case user, realm, realm_and_token;
    user.rules.user = bad;
    realm.rules.realm = bad;
    realm_and_token.rules.realm = bad;
    realm_and_token.bearer(user_token());
    for (const Case* one : {&user, &realm, &realm_and_token}) {
      assert_text(one->who(), "401 Invalid user");
      assert_text(one->error().log,
                  "the web server's user or realm is too long, not UTF-8 or holds control characters");
      ck_assert(one->error().challenge.empty());
    }
  }
  Case one;
  one.rules.user = "O'Hara, Çelik";
  one.rules.realm = "north";
  assert_text(one.who(), "O'Hara, Çelik/north");
}
END_TEST

START_TEST(revocation_is_asked_for_users_of_tokens_only) {
  Case one;
  std::string asked;
  one.rules.revoked = [&asked](std::string_view user, std::int64_t issued_us) -> std::optional<Error> {
    asked += std::string(user) + '@' + std::to_string(issued_us) + ' ';
    return token_revoked();
  };
  assert_text(one.who(), "/main");
  one.bearer(user_token(R"("x":1)"));
  assert_text(one.who(), "/main");
  one.rules.user = "anna";
  assert_text(one.who(), "anna/main");
  assert_text(asked, "");
  one.rules.user = "";
  one.bearer(user_token(R"("sub":"10","iat":1.5)"));
  assert_text(one.who(), "401 TOKEN_REVOKED The token was revoked");
  assert_text(asked, "10@1500000 ");
}
END_TEST

START_TEST(revocation_is_asked_for_good_tokens_only) {
  for (const char* claims : {R"({"sub":"10","exp":1})", R"({"sub":"10","exp":1700000100,"aud":"them"})",
                             R"({"sub":"10","exp":1700000100,"aud":"us","realm":"south"})"}) {
    Case one;
    bool asked = false;
    one.rules.token.audience = "us";
    one.rules.realm = "north";
    one.rules.revoked = [&asked](std::string_view, std::int64_t) -> std::optional<Error> {
      asked = true;
      return std::nullopt;
    };
    one.bearer(token_of(claims));
    assert_that(one.error().status == 401 && !asked, claims);
  }
}
END_TEST

START_TEST(a_caller_whose_revocation_is_unknown_is_marked) {
  Case one;
  one.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(database_away(5)); };
  one.bearer(user_token());
  const Caller caller = one.caller();
  assert_that(caller.session.unchecked && caller.unchecked, "the revocation is unknown");
  ck_assert_int_eq(caller.unchecked->status, 503);
  one.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(); };
  assert_text(one.who(), "10/main");
}
END_TEST

START_TEST(a_slow_request_is_checked_again) {
  const RevocationCheck none_revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(); };
  const RevocationCheck all_revoked = [](std::string_view, std::int64_t) {
    return std::optional<Error>(token_revoked());
  };
  const auto complaint = [](const Session& session, const RevocationCheck& revoked, double now) {
    const auto error = check_session(session, revoked, now);
    return error ? error_reply(*error).body : std::string();
  };
  Case one;
  one.rules.token.leeway = 5;
  one.bearer(user_token());
  const Session session = one.caller().session;
  assert_text(complaint(session, none_revoked, 1700000104.9), "");
  assert_text(complaint(session, {}, 1700000104.9), "");
  const char kOver[] = R"({"result":"error","code":"TOKEN_EXPIRED","msg":"The token has expired"})";
  assert_text(complaint(session, none_revoked, 1700000105), kOver);
  const char kGone[] = R"({"result":"error","code":"TOKEN_REVOKED","msg":"The token was revoked"})";
  assert_text(complaint(session, all_revoked, kNow), kGone);
  one.bearer(user_token(R"("x":1)"));
  assert_text(complaint(one.caller().session, all_revoked, kNow), "");
  assert_text(complaint(one.caller().session, all_revoked, 1700000105), kOver);
  one.request.authorization = {};
  one.rules.user = "10";
  assert_text(complaint(one.caller().session, all_revoked, 1e12), "");
}
END_TEST

START_TEST(an_identity_goes_to_the_database_as_json) {
  assert_text(identity_json({"10", "main"}), R"({"user":"10","realm":"main"})");
  assert_text(identity_json({"", "main"}), R"({"realm":"main"})");
  assert_text(identity_json({"a\"\\b", "é"}), R"({"user":"a\"\\b","realm":"é"})");
  assert_text(identity_json({R"(x","realm":"y)", "main"}), R"({"user":"x\",\"realm\":\"y","realm":"main"})");
}
END_TEST

}  // namespace

int main() {
  return run("access_identity", {
                                    times_are_compared_with_the_clock,
                                    an_expiry_may_be_left_out_where_none_is_required_but_counts_where_it_is_given,
                                    a_session_ends_with_its_token_plus_leeway,
                                    a_session_knows_when_its_token_was_issued,
                                    audience_and_issuer_must_be_the_configured_ones,
                                    a_realm_is_the_tokens_the_web_servers_or_main,
                                    a_user_is_a_name_or_an_integer,
                                    a_token_without_a_user_is_one_with_grants_only,
                                    the_web_servers_values_are_checked_with_and_without_a_token,
                                    revocation_is_asked_for_users_of_tokens_only,
                                    revocation_is_asked_for_good_tokens_only,
                                    a_caller_whose_revocation_is_unknown_is_marked,
                                    a_slow_request_is_checked_again,
                                    an_identity_goes_to_the_database_as_json,
                                });
}
