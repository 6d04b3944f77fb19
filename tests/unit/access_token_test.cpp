// Where a request's token is found, which of several counts, and that no error repeats it.
#include "access_testing.hpp"

#include <memory>
#include <utility>

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(the_scheme_bearer_is_read_in_any_case) {
  for (const std::string prefix : {"Bearer ", "bearer ", "BEARER   ", " Bearer ", "Bearer\t", "\tbEaReR \t "}) {
    Case one;
    const std::string header = prefix + user_token() + " \t";
    one.request.authorization = header;
    assert_text(one.who(), "10/main", prefix);
  }
}
END_TEST

START_TEST(other_schemes_have_no_token) {
  const std::string token = user_token();
  for (const std::string& header :
       {std::string("Basic dTpw"), "Bearerx " + token, "Bearer:" + token, "Bearer=" + token, "Beare " + token,
        "\"\x05\x01\x12\x05\x12 " + token, std::string(), std::string(" "), std::string("Negotiate"), token}) {
    Case one;
    one.request.authorization = header;
    assert_text(one.who(), "/main", header.substr(0, 20));
  }
}
END_TEST

START_TEST(a_bearer_without_exactly_one_token_is_a_bad_one) {
  const std::string token = user_token();
  for (const std::string& header : {std::string("Bearer"), std::string("Bearer "), std::string("bearer\t"),
                                    "Bearer " + token + ' ' + token, "Bearer " + token + ", Basic dTpw",
                                    "Bearer \"" + token + '"', "Bearer token=" + token, std::string("Bearer x")}) {
    Case one;
    one.request.authorization = header;
    assert_text(one.who(), kInvalid, header.substr(0, 20));
  }
}
END_TEST

START_TEST(cookies_are_searched_by_name) {
  const std::string good = user_token();
  const struct {
    std::string cookie;
    const char* wanted;
  } rows[] = {
      {"token=" + good, "10/main"},
      {"a=b; token=" + good + "; c=d", "10/main"},
      {"a=b;token=" + good, "10/main"},
      {"a=token=; \t token = " + good + "\t;", "10/main"},
      {"a; token=" + good, "10/main"},
      {"token=\"" + good + '"', "10/main"},
      {"token=; token=" + good, "10/main"},
      {"token=\"\"; token=" + good, "10/main"},
      {"token=" + good + "; token=x", "10/main"},
      {"token=x; token=" + good, kInvalid},
      {"token=\"", kInvalid},
      {"token=\"" + good, kInvalid},
      {"token=\"" + good + 'x', kInvalid},
      {"token=" + good + '"', kInvalid},
      {"token='" + good + '\'', kInvalid},
      {"token=" + good + ", a=b", kInvalid},
      {"Token=" + good, "/main"},
      {"xtoken=" + good, "/main"},
      {"tokenx=" + good, "/main"},
      {"a=token=" + good, "/main"},
      {"token", "/main"},
      {"token=", "/main"},
      {";;=;", "/main"},
      {"", "/main"},
  };
  for (const auto& row : rows) {
    Case one;
    one.request.cookie = row.cookie;
    assert_text(one.who(), row.wanted, row.cookie.substr(0, 20));
  }
}
END_TEST

START_TEST(cookies_count_only_where_a_name_is_given) {
  const std::string cookie = "=" + user_token() + "; other=" + user_token();
  Case one;
  one.request.cookie = cookie;
  assert_text(one.who(), "/main");
  one.rules.token.cookie = "";
  assert_text(one.who(), "/main");
  one.rules.token.cookie = "other";
  assert_text(one.who(), "10/main");
}
END_TEST

START_TEST(the_query_is_decoded_and_has_one_token) {
  const std::string good = user_token();
  std::string encoded = good;
  for (std::size_t dot; (dot = encoded.find('.')) != std::string::npos;) {
    encoded.replace(dot, 1, "%2E");
  }
  const struct {
    std::string query;
    const char* wanted;
  } rows[] = {
      {"access_token=" + good, "10/main"},
      {"x=1&access_token=" + good + "&y", "10/main"},
      {"access_token=" + encoded, "10/main"},
      {"%61ccess_token=" + good, "10/main"},
      {"access_token=" + good + "&access_token=x", "400 Parameter 'access_token' is given twice"},
      {"access_token=x&access_token=" + good, "400 Parameter 'access_token' is given twice"},
      {"access_token=" + good + "+", kInvalid},
      {"access_token=%20" + good, kInvalid},
      {"access_token", kInvalid},
      {"access_token=", kInvalid},
      {"access_token=a%00b", kInvalid},
      {"Access_token=" + good, "/main"},
      {"token=" + good, "/main"},
      {"", "/main"},
      // Not decoded as a whole, so not read: route() answers 400.
      {"x=%zz&access_token=" + good, "/main"},
  };
  for (const auto& row : rows) {
    Case one;
    one.rules.token.query = true;
    one.request.query = row.query;
    assert_text(one.who(), row.wanted, row.query.substr(0, 30));
  }
}
END_TEST

START_TEST(the_query_counts_only_if_allowed) {
  const std::string query = "access_token=" + user_token();
  Case one;
  one.request.query = query;
  assert_text(one.who(), "/main");
  one.request.query = "access_token=rubbish";
  assert_text(one.who(), "/main");
}
END_TEST

START_TEST(the_header_wins_over_the_query_and_that_over_the_cookie) {
  const std::string cookie = "token=" + user_token(R"("sub":"cookie")");
  const std::string query = "access_token=" + user_token(R"("sub":"query")");
  Case one;
  one.rules.token.query = true;
  one.request.cookie = cookie;
  assert_text(one.who(), "cookie/main");
  one.request.query = query;
  assert_text(one.who(), "query/main");
  one.bearer(user_token(R"("sub":"header")"));
  assert_text(one.who(), "header/main");
}
END_TEST

START_TEST(a_bad_token_is_not_made_up_for_by_a_good_one) {
  const std::string cookie = "token=" + user_token();
  const std::string query = "access_token=" + user_token();
  Case one;
  one.rules.token.query = true;
  one.request.cookie = cookie;
  one.request.query = "access_token=x";
  assert_text(one.who(), kInvalid);
  one.request.query = query;
  one.bearer("x");
  assert_text(one.who(), kInvalid);
}
END_TEST

START_TEST(another_scheme_does_not_hide_the_cookie) {
  const std::string cookie = "token=" + user_token();
  Case one;
  one.request.authorization = "Basic dTpw";
  one.request.cookie = cookie;
  assert_text(one.who(), "10/main");
}
END_TEST

START_TEST(only_the_header_and_the_query_are_sent_on_purpose) {
  const std::string text = user_token();
  const std::string cookie = "token=" + text;
  const std::string query = "access_token=" + text;
  Case none, header, in_query, in_cookie, server;
  header.bearer(text);
  in_query.rules.token.query = true;
  in_query.request.query = query;
  in_cookie.request.cookie = cookie;
  server.rules.user = "anna";
  server.bearer(text);
  const struct {
    const Case& one;
    bool ambient, by_cookie;
  } rows[] = {{none, true, false},
              {header, false, false},
              {in_query, false, false},
              {in_cookie, true, true},
              {server, true, false}};
  for (const auto& row : rows) {
    const Caller caller = row.one.caller();
    ck_assert(caller.ambient == row.ambient && caller.by_cookie == row.by_cookie);
  }
}
END_TEST

START_TEST(without_keys_tokens_are_ignored) {
  Case one;
  JwtKeys none;
  one.bearer("rubbish");
  one.rules.token.keys = &none;
  assert_text(one.who(), "/main");
  one.rules.token.keys = nullptr;
  assert_text(one.who(), "/main");
}
END_TEST

START_TEST(the_web_servers_user_counts_and_the_token_is_ignored) {
  Case one;
  one.bearer("rubbish");
  one.rules.user = "anna";
  assert_text(one.who(), "anna/main");
  one.bearer(user_token(R"("sub":"10","pgevents":{"subscribe":["*"]})"));
  assert_text(one.who(), "anna/main");
  const Caller caller = one.caller();
  ck_assert(!caller.session.by_token && !caller.session.expires_at && caller.subscribe.empty());
  ck_assert(caller.session.issued_us == 0);
}
END_TEST

START_TEST(a_token_may_have_8192_bytes_wherever_it_is) {
  const std::string shorter = user_token(R"("sub":"10","x":")" + std::string(5000, 'x') + '"');
  const std::string longest = shorter + std::string(8192 - shorter.size(), 'x');
  const std::string longer = longest + 'x';
  for (const auto& [text, wanted] : {std::pair<const std::string&, const char*>{shorter, "10/main"},
                                     {longest, kInvalid},
                                     {longer, "401 The token is too long"}}) {
    const std::string query = "access_token=" + text;
    const std::string cookie = "token=\"" + text + '"';
    Case header, in_query, in_cookie;
    header.bearer(text);
    in_query.rules.token.query = true;
    in_query.request.query = query;
    in_cookie.request.cookie = cookie;
    for (const Case* one : {&header, &in_query, &in_cookie}) {
      assert_text(one->who(), wanted);
    }
  }
}
END_TEST

// No piece of six characters of any part of the token.
void assert_keeps_secret(const std::string& told, const std::string& token) {
  constexpr std::size_t kPiece = 6;
  for (std::size_t at = 0; at + kPiece <= token.size(); ++at) {
    assert_that(told.find(token.substr(at, kPiece)) == std::string::npos, told);
  }
}

START_TEST(every_error_has_a_challenge_and_none_repeats_the_token) {
  const std::string good = user_token();
  const struct {
    std::string token;
    const char* msg;
    const char* code;
    const char* log;
  } rows[] = {
      {"SECRETSECRET", "Invalid token", "UNAUTHORIZED", "it does not have three parts"},
      {"SECRET.SECRET.SECRE=", "Invalid token", "UNAUTHORIZED", "a part of it is not base64url"},
      {good.substr(0, good.rfind('.') + 1) + "SECRETSECRET", "Invalid token", "UNAUTHORIZED", "its signature is wrong"},
      {token(oct_key(), "HS512", R"({"exp":1})") + "A", "Invalid token", "UNAUTHORIZED", "its signature is wrong"},
      {sign(oct_key(), R"({"alg":"HS256","crit":["SECRET"]})", "{}"), "Invalid token", "UNAUTHORIZED",
       "its header has \"crit\""},
      {user_token(R"("sub":["SECRET"])"), "Invalid token", "UNAUTHORIZED",
       "its claim \"sub\" is not a name of 1 to 255 bytes without control characters"},
      {std::string(8193, 'S'), "The token is too long", "UNAUTHORIZED", "it is longer than 8192 bytes"},
      {token_of(R"({"sub":"SECRET"})"), "The token has no expiry", "UNAUTHORIZED", ""},
      {token_of(R"({"sub":"SECRET","exp":1})"), "The token has expired", "TOKEN_EXPIRED", ""},
      {user_token(R"("sub":"SECRET","nbf":1800000000)"), "The token is not valid yet", "UNAUTHORIZED", ""},
      {user_token(R"("sub":"SECRET","iat":1800000000)"), "The token is not valid yet", "UNAUTHORIZED", ""},
      {user_token(R"("aud":"SECRET")"), "The token is for another service", "UNAUTHORIZED",
       "aud is not the configured one"},
      {user_token(R"("aud":"us","iss":"SECRET")"), "The token is for another service", "UNAUTHORIZED",
       "iss is not the configured one"},
      {user_token(R"("aud":"us","iss":"we","realm":"SECRET")"), "The token is for another realm", "UNAUTHORIZED", ""},
      {user_token(R"("aud":"us","iss":"we","sub":"gone")"), "The token was revoked", "TOKEN_REVOKED", ""},
  };
  for (const auto& row : rows) {
    Case one;
    one.rules.token.audience = "us";
    one.rules.token.issuer = "we";
    one.rules.realm = "main";
    one.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(token_revoked()); };
    one.bearer(row.token);
    const Error error = one.error();
    const Reply reply = error_reply(error);
    ck_assert_int_eq(reply.status, 401);
    assert_text(reply.body,
                std::string(R"({"result":"error","code":")") + row.code + R"(","msg":")" + row.msg + R"("})");
    assert_text(error.challenge, R"(Bearer error="invalid_token")", row.msg);
    assert_text(error.log, row.log, row.msg);
    assert_keeps_secret(reply.body + error.challenge + error.log, row.token);
    assert_that(error.log.find("SECRET") == std::string::npos, error.log);
  }
}
END_TEST

// What the request knows of its last bad token is changed here, so that a verdict that was kept differs from a new one.
START_TEST(a_token_is_not_verified_again_if_the_request_knows_that_it_is_bad) {
  const std::string good = user_token();
  const std::string bad = good.substr(0, good.size() - 4) + "AAAA";
  JwtKeys others;
  add(others, kSecret);
  Case any;
  const struct {
    const char* what;
    const JwtKeys* keys;  // what is known: `text` is bad with these keys
    std::string text;
    std::string token;
    std::string wanted;
  } rows[] = {
      {"the same token", &any.keys, good, good, "401 known"},
      {"another token that is good", &any.keys, bad, good, "10/main"},
      {"another token that is bad", &any.keys, good, bad, kInvalid},
      {"the same token, and other keys", &others, good, good, "10/main"},
  };
  for (const auto& row : rows) {
    auto rejected = std::make_unique<RejectedToken>(RejectedToken{row.keys, row.text, {}});
    rejected->fault.msg = "known";
    any.rules.token.rejected = &rejected;
    assert_text(any.bearer(row.token).who(), row.wanted, row.what);
  }
}
END_TEST

START_TEST(a_request_keeps_its_last_bad_token) {
  Case one;
  std::unique_ptr<RejectedToken> rejected;
  one.rules.token.rejected = &rejected;
  assert_text(one.bearer(user_token()).who(), "10/main");
  ck_assert(rejected == nullptr);
  for (const std::string token : {"a.b.c", "x"}) {
    assert_text(one.bearer(token).who(), kInvalid, token);
    ck_assert(rejected != nullptr && rejected->keys == &one.keys);
    assert_text(rejected->text, token);
    assert_text(one.who(), kInvalid, token);
  }
}
END_TEST

}  // namespace

int main() {
  return run("access_token", {
                                 the_scheme_bearer_is_read_in_any_case,
                                 other_schemes_have_no_token,
                                 a_bearer_without_exactly_one_token_is_a_bad_one,
                                 cookies_are_searched_by_name,
                                 cookies_count_only_where_a_name_is_given,
                                 the_query_is_decoded_and_has_one_token,
                                 the_query_counts_only_if_allowed,
                                 the_header_wins_over_the_query_and_that_over_the_cookie,
                                 a_bad_token_is_not_made_up_for_by_a_good_one,
                                 another_scheme_does_not_hide_the_cookie,
                                 only_the_header_and_the_query_are_sent_on_purpose,
                                 without_keys_tokens_are_ignored,
                                 the_web_servers_user_counts_and_the_token_is_ignored,
                                 a_token_may_have_8192_bytes_wherever_it_is,
                                 every_error_has_a_challenge_and_none_repeats_the_token,
                                 a_token_is_not_verified_again_if_the_request_knows_that_it_is_bad,
                                 a_request_keeps_its_last_bad_token,
                             });
}
