// Grants of a caller: patterns, lists of them, and grants from the web server, from the token and for the user's own
// channel.
#include <set>

#include "access_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string refused(std::string_view channel) {
  return "403 Not authorized for channel '" + std::string(channel) + "'";
}

START_TEST(patterns_are_names_or_prefixes_with_the_callers_user_and_realm) {
  const Identity anna{"anna", "north"};
  const Identity anonymous{"", "main"};
  const struct {
    const char* pattern;
    const Identity& who;
    const char* name;
    bool wanted;
  } rows[] = {
      {"a", anonymous, "a", true},
      {"a", anonymous, "ab", false},
      {"a", anonymous, "A", false},
      {"ab", anonymous, "a", false},
      {"a", anonymous, "", false},
      {"a*", anonymous, "a", true},
      {"a*", anonymous, "abc", true},
      {"a*", anonymous, "b", false},
      {"*", anonymous, "anything", true},
      {"*a", anonymous, "ba", false},
      {"a*b", anonymous, "axb", false},
      {"a*b", anonymous, "a*b", true},
      {"**", anonymous, "*x", true},
      {"**", anonymous, "x", false},
      {".*", anonymous, "x", false},
      {"", anonymous, "", false},
      {"", anonymous, "a", false},
      {"user:{user}", anna, "user:anna", true},
      {"user:{user}", anna, "user:annab", false},
      {"user:{user}", anna, "user:ann", false},
      {"user:{user}", anna, "user:", false},
      {"user:{user}", anna, "user:{user}", false},
      {"{user}*", anna, "annabel", true},
      {"{user}*", anna, "anna", true},
      {"{user}*", anna, "ann", false},
      {"{user}*x", anna, "annabelx", false},
      {"{user}{user}", anna, "annaanna", true},
      {"{realm}.{user}.{user}", anna, "north.anna.anna", true},
      {"{realm}.{user}.{user}", anna, "north.anna.bob", false},
      {"{realm}.{user}", anna, "north.bob", false},
      {"room:{realm}:*", anna, "room:north:7", true},
      {"room:{realm}:*", anna, "room:south:7", false},
      {"{x}", anna, "{x}", true},
      {"{x}", anna, "x", false},
      {"{x}{user}", anna, "{x}anna", true},
      {"{User}", anna, "anna", false},
      {"{user", anna, "{user", true},
      {"{{user}}", anna, "{anna}", true},
      {"user}", anna, "user}", true},
  };
  for (const auto& row : rows) {
    assert_that(pattern_matches(row.pattern, row.who, row.name) == row.wanted,
                std::string(row.pattern) + " / " + row.name);
  }
}
END_TEST

START_TEST(a_pattern_with_user_matches_nothing_for_a_caller_without_a_user) {
  const Identity anonymous{"", "main"};
  const Identity nowhere{"anna", ""};
  for (const char* pattern : {"user:{user}", "user:{user}*", "{user}", "{user}*", "*{user}*", "{realm}{user}"}) {
    for (const char* name : {"user:", "user:x", "user:{user}", "", "*", "*x", "{user}", "main", "x"}) {
      assert_that(!pattern_matches(pattern, anonymous, name), std::string(pattern) + " / " + name);
    }
  }
  ck_assert(!pattern_matches("{realm}*", nowhere, "x"));
  ck_assert(pattern_matches("{realm}*", anonymous, "mainx"));
}
END_TEST

START_TEST(patterns_that_are_hardly_meant_are_doubted) {
  for (const char* plain : {"", " ", "a", "*", "a*", "a.* b:{user} {realm}.{user}:* c", "{user}{realm}*"}) {
    assert_text(pattern_doubt(plain).value_or(""), "", plain);
  }
  assert_text(pattern_doubt("a *b c").value_or(""), "a '*' is a wildcard at the end only; check pattern '*b'");
  assert_text(pattern_doubt("a**").value_or(""), "a '*' is a wildcard at the end only; check pattern 'a**'");
  for (const std::string pattern : {"news,", "news,stream:*", ",", "{user},x"}) {
    assert_text(pattern_doubt("a " + pattern + " b").value_or(""),
                "patterns are separated by spaces, a ',' is a part of the name; check pattern '" + pattern + "'");
  }
  for (const std::string pattern : {"{usr}", "x:{User}", "{user}:{group}*", "{user", "{", "{}", "{{user}}"}) {
    assert_text(pattern_doubt("a " + pattern + " b").value_or(""),
                "only {user} and {realm} are replaced; check pattern '" + pattern + "'");
  }
}
END_TEST

START_TEST(values_are_inserted_literally) {
  const struct {
    const char* user;
    const char* realm;
    const char* pattern;
    const char* name;
    bool wanted;
  } rows[] = {
      {"*", "main", "user:{user}", "user:*", true},
      {"*", "main", "user:{user}", "user:x", false},
      {"1*", "main", "user:{user}", "user:10", false},
      {"*", "main", "{user}", "anything", false},
      {".*", "main", "{user}", "anything", false},
      {".*", "main", "{user}", ".*", true},
      {"{realm}", "main", "{user}", "main", false},
      {"{realm}", "main", "{user}", "{realm}", true},
      {"{user}", "main", "{user}", "{user}", true},
      {"{us", "main", "{user}er}", "{user}", true},
      {"x", "{user}", "{realm}", "x", false},
      {"x", "{user}", "{realm}", "{user}", true},
      {"x", "*", "{realm}", "anything", false},
      {"a b", "main", "{user}", "a", false},
      // A colon ends a realm, so no two pairs of realm and user have the same name.
      {"c", "a:b", "o:{realm}:{user}", "o:a=3Ab:c", true},
      {"c", "a:b", "o:{realm}:{user}", "o:a:b:c", false},
      {"b:c", "a", "o:{realm}:{user}", "o:a:b:c", true},
      {"c", "a=3Ab", "o:{realm}:{user}", "o:a=3Ab:c", false},
      {"c", "a=3Ab", "o:{realm}:{user}", "o:a=3D3Ab:c", true},
      {"a=b:c", "=:", "{realm}*", "=3D=3Ax", true},
      {"a=b:c", "=:", "{realm}*", "=:x", false},
      {"a=b:c", "x", "{user}", "a=b:c", true},
  };
  for (const auto& row : rows) {
    const Identity who{row.user, row.realm};
    assert_that(pattern_matches(row.pattern, who, row.name) == row.wanted,
                std::string(row.user) + " / " + row.pattern + " / " + row.name);
  }
}
END_TEST

START_TEST(lists_hold_patterns_between_white_space) {
  const struct {
    const char* patterns;
    const char* name;
    bool wanted;
  } rows[] = {
      {"", "a", false},
      {" ", "a", false},
      {"\t\r\n ", "a", false},
      {"a", "a", true},
      {"x a", "a", true},
      {"x\ta\n", "a", true},
      {"x\r\na\r\n", "a", true},
      {"  x   a*  ", "ab", true},
      {"room:* user:7", "room:1", true},
      {"room:* user:7", "user:77", false},
      {"a,b", "a", false},
      {"a,b", "a,b", true},
      {"a b", "a b", false},
      {"{user} a", "a", true},
      {"\"a\"", "a", false},
  };
  for (const auto& row : rows) {
    Case one;
    one.rules.subscribe = row.patterns;
    assert_that(one.refusal(row.name).empty() == row.wanted, std::string(row.patterns) + " / " + row.name);
    one.rules.subscribe = "";
    one.rules.anonymous = row.patterns;
    assert_that(one.refusal(row.name).empty() == row.wanted, std::string(row.patterns) + " / " + row.name);
    one.rules.anonymous = "";
    one.rules.publish = row.patterns;
    assert_that(one.refusal(row.name, Action::kPublish).empty() == row.wanted,
                std::string(row.patterns) + " / " + row.name);
  }
}
END_TEST

START_TEST(a_tokens_patterns_are_not_lists) {
  Case one;
  one.bearer(user_token(R"("pgevents":{"subscribe":["a b",""," c",["d"]]})"));
  assert_text(one.who(), kInvalid);
  one.bearer(user_token(R"("pgevents":{"subscribe":["a b",""," c"]})"));
  for (const char* name : {"a", "b", "c", "d", ""}) {
    assert_text(one.refusal(name), refused(name));
  }
  assert_text(one.refusal("a b"), "");
}
END_TEST

START_TEST(grants_come_from_the_server_the_token_and_the_users_own_channel) {
  Case one;
  one.rules.subscribe = " news.* \t extra of.{user}";
  one.rules.publish = "in in.{realm}";
  one.rules.anonymous = "cheese demo.*";
  one.bearer(user_token(R"("sub":"10","pgevents":{"subscribe":["room:*","me.{user}"],"publish":["out.{user}"]})"));
  for (const char* name : {"news.1", "extra", "of.10", "cheese", "demo.x", "room:7", "me.10", "user:10"}) {
    assert_text(one.refusal(name), "", name);
  }
  for (const char* name : {"in", "in.main", "out.10"}) {
    assert_text(one.refusal(name, Action::kPublish), "", name);
  }
  for (const char* name : {"user:1", "user:100", "user:", "me.11", "of.11", "in", "out.10"}) {
    assert_text(one.refusal(name), refused(name));
  }
  for (const char* name : {"cheese", "user:10", "room:7", "news.1", "out.11", "in.north"}) {
    assert_text(one.refusal(name, Action::kPublish), refused(name));
  }
}
END_TEST

START_TEST(every_user_has_an_own_channel_that_no_other_user_has) {
  Case one;
  one.rules.user = "anna";
  assert_text(one.refusal("user:anna"), "");
  assert_text(one.refusal("user:bob"), refused("user:bob"));
  assert_text(one.refusal("user:anna", Action::kPublish), refused("user:anna"));
  one.rules.user = "*";
  assert_text(one.refusal("user:*"), "");
  assert_text(one.refusal("user:bob"), refused("user:bob"));
}
END_TEST

START_TEST(own_channels_name_the_realm_unless_it_is_main) {
  const struct {
    const char* user;
    const char* realm;
    const char* channel;
  } rows[] = {
      {"10", "main", "user:10"},
      {"a:b=c@d", "main", "user:a:b=c@d"},
      {"10", "dairy", "user@dairy:10"},
      {"10", "Main", "user@Main:10"},
      {"a:b=c@d", "dairy", "user@dairy:a:b=c@d"},
      {"10", "a:b", "user@a=3Ab:10"},
      {"10", "a=3Ab", "user@a=3D3Ab:10"},
      {"10", "=:", "user@=3D=3A:10"},
      {"10", "dairy@north", "user@dairy@north:10"},
      {"", "main", ""},
      {"", "dairy", ""},
  };
  for (const auto& row : rows) {
    assert_text(own_channel({row.user, row.realm}), row.channel, row.realm);
  }
}
END_TEST

START_TEST(no_two_users_share_an_own_channel) {
  const std::string parts[] = {"main",  "10",  "a",  ":",  "=",    "@",       "a:b",     "b:c",
                               "a=3Ab", "=3A", "3A", "3D", "user", "user:10", "dairy:10"};
  std::set<std::string> channels;
  for (const std::string& user : parts) {
    for (const std::string& realm : parts) {
      channels.insert(own_channel({user, realm}));
    }
  }
  ck_assert_uint_eq(channels.size(), std::size(parts) * std::size(parts));
}
END_TEST

START_TEST(the_same_name_in_another_realm_is_another_user) {
  Case one;
  one.rules.user = "10";
  one.rules.realm = "dairy";
  assert_text(one.refusal("user@dairy:10"), "");
  for (const char* name :
       {"user:10", "user@main:10", "user@bakery:10", "user@:10", "user@dairy:1", "user@dairy:100", "user@dairy:"}) {
    assert_text(one.refusal(name), refused(name));
  }
  assert_text(one.refusal("user@dairy:10", Action::kPublish), refused("user@dairy:10"));
  one.rules.realm = "main";
  assert_text(one.refusal("user:10"), "");
  for (const char* name : {"user@dairy:10", "user@main:10"}) {
    assert_text(one.refusal(name), refused(name));
  }
}
END_TEST

START_TEST(the_web_servers_grants_need_no_identity) {
  Case one;
  one.rules.subscribe = "a";
  one.rules.publish = "b";
  assert_text(one.refusal("a"), "");
  assert_text(one.refusal("b", Action::kPublish), "");
}
END_TEST

START_TEST(a_request_without_an_identity_gets_401_if_tokens_count) {
  const std::string wanted = "401 Authentication required for channel 'wine', Bearer";
  Case one;
  one.rules.anonymous = "cheese";
  assert_text(one.refusal("cheese"), "");
  assert_text(one.refusal("wine"), wanted);
  assert_text(one.refusal("wine", Action::kPublish), wanted);
  one.rules.realm = "north";
  assert_text(one.refusal("wine"), wanted);
  one.request.authorization = "Basic dTpw";
  assert_text(one.refusal("wine"), wanted);
}
END_TEST

START_TEST(a_request_that_no_token_would_help_gets_403) {
  JwtKeys none;
  Case keyless, empty, known, anonymous_token;
  keyless.rules.token.keys = nullptr;
  empty.rules.token.keys = &none;
  known.rules.user = "anna";
  anonymous_token.bearer(user_token(R"("x":1)"));
  for (const Case* one : {&keyless, &empty, &known, &anonymous_token}) {
    assert_text(one->refusal("wine"), refused("wine"));
    assert_text(one->refusal("wine", Action::kPublish), refused("wine"));
  }
}
END_TEST

START_TEST(what_belongs_to_pgevents_is_never_granted) {
  Case server, token, anonymous;
  server.rules.user = "anna";
  token.bearer(user_token(R"("sub":"10","pgevents":{"subscribe":["*","pgevents.*"],"publish":["*"]})"));
  for (Case* one : {&server, &token, &anonymous}) {
    one->rules.subscribe = "* pgevents.* pgevents.control";
    one->rules.publish = "* pgevents.x";
    one->rules.anonymous = "*";
    for (const char* name : {"pgevents.control", "pgevents.", "pgevents.x"}) {
      assert_text(one->refusal(name), refused(name));
      assert_text(one->refusal(name, Action::kPublish), refused(name));
    }
    for (const char* name : {"pgevents", "pgevents:control", "Pgevents.control", "xpgevents."}) {
      assert_text(one->refusal(name), "", name);
      assert_text(one->refusal(name, Action::kPublish), "", name);
    }
  }
}
END_TEST

}  // namespace

int main() {
  return run("access_grant", {
                                 patterns_are_names_or_prefixes_with_the_callers_user_and_realm,
                                 a_pattern_with_user_matches_nothing_for_a_caller_without_a_user,
                                 patterns_that_are_hardly_meant_are_doubted,
                                 values_are_inserted_literally,
                                 lists_hold_patterns_between_white_space,
                                 a_tokens_patterns_are_not_lists,
                                 grants_come_from_the_server_the_token_and_the_users_own_channel,
                                 every_user_has_an_own_channel_that_no_other_user_has,
                                 own_channels_name_the_realm_unless_it_is_main,
                                 no_two_users_share_an_own_channel,
                                 the_same_name_in_another_realm_is_another_user,
                                 the_web_servers_grants_need_no_identity,
                                 a_request_without_an_identity_gets_401_if_tokens_count,
                                 a_request_that_no_token_would_help_gets_403,
                                 what_belongs_to_pgevents_is_never_granted,
                             });
}
