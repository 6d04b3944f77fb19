// Paths: the segments and names of a request, from the client's and the web server's form of its path; and that they
// always belong to the decoded path, to which the web server's rules applied.
#include <string>

#include "core/request/path.hpp"
#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// Segments between bars; a segment with commas shows its names between semicolons. "?" if the path is rejected.
std::string shown(const RequestPath& request) {
  const auto segments = split_path(request);
  if (!segments) {
    return "?";
  }
  std::string text;
  for (const PathSegment& segment : *segments) {
    std::string names;
    for (const std::string_view part : segment.parts()) {
      names += (names.empty() ? "" : ";") + segment.name_of(part);
    }
    text += (text.empty() ? "" : "|") + names;
  }
  return text;
}

START_TEST(an_encoded_separator_belongs_to_its_name) {
  const struct {
    const char* path;
    const char* target;
    const char* wanted;
  } rows[] = {
      {"/rt/events/a", "/rt/events/a", "rt|events|a"},
      {"/rt/events/a,b/w", "/rt/events/a,b/w", "rt|events|a;b|w"},
      {"/rt/events/a,b", "/rt/events/a%2Cb", "rt|events|a,b"},
      {"/rt/events/a,b", "/rt/events/a%2cb", "rt|events|a,b"},
      {"/rt/events/a,b,c", "/rt/events/a%2Cb,c", "rt|events|a,b;c"},
      {"/rt/events/room/7", "/rt/events/room%2F7", "rt|events|room/7"},
      {"/rt/events/room/7", "/rt/events/room%2f7", "rt|events|room/7"},
      {"/rt/events/room/7/w,1", "/rt/events/room%2F7/w%2C1", "rt|events|room/7|w,1"},
      {"/rt/events/a/", "/rt/events/a%2F", "rt|events|a/"},
      {"/rt/users/a/b/presence", "/rt/users/a%2Fb/presence", "rt|users|a/b|presence"},
      // Decoded once.
      {"/rt/events/a%2Cb", "/rt/events/a%252Cb", "rt|events|a%2Cb"},
      {"/rt/events/a%2Fb,c", "/rt/events/a%252Fb%2Cc", "rt|events|a%2Fb,c"},
      {"/rt/events/a+b,c", "/rt/events/a+b%2Cc", "rt|events|a+b,c"},
      {"/rt/events/a?b,c", "/rt/events/a%3Fb%2Cc?d=e%2Ff", "rt|events|a?b,c"},
      {"/rt/events/a#b,c", "/rt/events/a%23b%2Cc#x", "rt|events|a#b,c"},
      {"/rt/events/é,ü", "/rt/events/%C3%A9%2C%c3%bc", "rt|events|é,ü"},
      // The query is ignored.
      {"/rt/events/a,b", "/rt/events/a,b?x=%2C%2F", "rt|events|a;b"},
  };
  for (const auto& row : rows) {
    assert_text(shown({row.path, row.target, {}}), row.wanted, row.target);
  }
}
END_TEST

START_TEST(a_path_is_normalised_as_the_web_server_does_it) {
  const struct {
    const char* path;
    const char* target;
    const char* wanted;
  } rows[] = {
      {"/rt/events/a,b", "//rt//events///a%2Cb", "rt|events|a,b"},
      {"/rt/events/a,b", "/rt/./events/x/../a%2Cb", "rt|events|a,b"},
      {"/rt/events/a,b", "/rt/%2e/events/x/%2E%2e/a%2Cb", "rt|events|a,b"},
      {"/rt/events/a,b/", "/rt/events/a%2Cb/.", "rt|events|a,b|"},
      {"/rt/events/a,b/", "/rt/events/a%2Cb/c/..", "rt|events|a,b|"},
      {"/rt/events/a,b/", "/rt/events/a%2Cb//", "rt|events|a,b|"},
      // Without merge_slashes.
      {"/rt//events/a,b", "/rt//events/a%2Cb", "rt||events|a,b"},
      // The base may be encoded.
      {"/rt/events/a,b", "/%72%74/%65vents/a%2Cb", "rt|events|a,b"},
  };
  for (const auto& row : rows) {
    assert_text(shown({row.path, row.target, {}}), row.wanted, row.target);
  }
}
END_TEST

START_TEST(a_path_other_than_the_servers_is_ignored) {
  const struct {
    const char* path;
    const char* target;
    const char* wanted;
  } rows[] = {
      {"/rt/events/a,b", "", "rt|events|a;b"},
      {"/rt/events/a/7", "/old/room%2F7", "rt|events|a|7"},
      {"/rt/events/a,b", "/rt/events/secret%2Cb", "rt|events|a;b"},
      {"/rt/events/a,b", "/v1/rt/events/a%2Cb", "rt|events|a;b"},
      {"/rt/events/a,b", "/rt/events/a%2Cb/more", "rt|events|a;b"},
      {"/rt/events/a,b", "/rt/events/a%252Cb", "rt|events|a;b"},
      {"/rt/events/a,b", "http://x/rt/events/a%2Cb", "rt|events|a;b"},
      {"/rt/events/a,b", "/rt/events/a%2Cb%zz", "rt|events|a;b"},
      {"/rt/events/a,b", "/../rt/events/a%2Cb", "rt|events|a;b"},
      {"/rt/events/a", "/rt/events/a%00%2Cb", "rt|events|a"},
      {"rt/events/a", "/rt/events/a%2Cb", ""},
      {"", "/rt/events/a%2Cb", ""},
  };
  for (const auto& row : rows) {
    assert_text(shown({row.path, row.target, {}}), row.wanted, row.target);
  }
}
END_TEST

START_TEST(an_encoded_slash_that_the_server_decoded_is_rejected) {
  const struct {
    const char* path;
    const char* target;
  } rows[] = {
      {"/rt/events/secret", "/rt/events/open%2F..%2Fsecret"},
      {"/rt/secret", "/rt/events/..%2Fsecret"},
      {"/rt/events/secret/x", "/rt/events/secret%2Fopen/../x"},
      {"/rt/events/x", "/rt/events/.%2Fx"},
      {"/rt/events/a/b", "/rt/events/a%2F%2Fb"},
      {"/rt/events/a/b", "/rt/events/a%2F/b"},
      {"/rt/events/a/", "/rt/events/a%2F%2e"},
      {"/rt/events/a", "/rt%2Fx/../events/a"},
  };
  for (const auto& row : rows) {
    assert_text(shown({row.path, row.target, {}}), "?", row.target);
  }
}
END_TEST

START_TEST(the_mount_is_the_path_of_the_cgi_script) {
  const struct {
    const char* mount;
    const char* path;
    const char* target;
    const char* wanted;
  } rows[] = {
      {"/cgi/rt", "/events/a,b", "/cgi/rt/events/a%2Cb", "events|a,b"},
      {"/cgi/rt", "/events/a/b", "/cgi//r%74/events/a%2Fb?x", "events|a/b"},
      {"", "/events/a,b", "/events/a%2Cb", "events|a,b"},
      {"/rt", "/events/a,b", "/other/events/a%2Cb", "events|a;b"},
      {"/rt", "/events/a,b", "/rt%2Fevents/a%2Cb", "?"},
      {"/c/rt", "/events/a,b", "/c%2Frt/events/a%2Cb", "events|a,b"},
  };
  for (const auto& row : rows) {
    assert_text(shown({row.path, row.target, row.mount}), row.wanted, row.target);
  }
}
END_TEST

// All ways to write five names and separators, plain and encoded, up to a length: if the client's path is used at all,
// its decoded segments are the path to which the server's rules applied.
START_TEST(rules_on_the_decoded_path_cannot_be_bypassed) {
  const char* const pieces[] = {"/", "%2F", "a", ".", "..", "%2e", ",", "%2c", "%252f"};
  unsigned counted = 0;
  for (unsigned number = 0; number < 9 * 9 * 9 * 9 * 9; ++number) {
    std::string target = "/e/";
    for (unsigned rest = number, i = 0; i < 5; ++i, rest /= 9) {
      target += pieces[rest % 9];
    }
    for (const char* path : {"/e/a", "/e/a/a", "/e/a,a", "/e/.a", "/a", "/e/"}) {
      const auto segments = split_path({path, target, {}});
      if (!segments) {
        continue;
      }
      std::string together;
      for (const PathSegment& segment : *segments) {
        together += '/' + segment.text;
      }
      if (together != path) {
        assert_text(together, path, target);
      }
      ++counted;
    }
  }
  ck_assert_uint_gt(counted, 100000);
}
END_TEST

START_TEST(a_route_accepts_names_with_separators_if_the_pattern_does) {
  std::string error;
  const auto slashes = NamePattern::compile("[a-z0-9/,]+", error);
  RouteRules rules = open_rules();
  rules.names = slashes.get();
  rules.base = "/rt";
  Request request = get("/rt/events/room/7,b/w");
  request.target = "/rt/events/room%2F7%2Cb/w";
  assert_text(joined(subscription(request, rules).channels), "room/7,b");
  assert_text(subscription(request, rules).wait_id, "w");
  request = get("/rt/events/room/7,b");
  request.target = "/rt/events/room%2F7,b";
  assert_text(joined(subscription(request, rules).channels), "b,room/7");
  rules.names = &default_names();
  assert_text(complaint(request, rules), "400 Invalid channel name 'room/7'");
  request = get("/rt/events/a,b");
  request.target = "/rt/events/a%2Cb";
  assert_text(complaint(request, rules), "400 Invalid channel name 'a,b'");
  request = get("/rt/events/secret");
  request.target = "/rt/events/open%2F..%2Fsecret";
  assert_text(complaint(request, rules), "400 An encoded slash in a path with '.', '..' or '//'");
  request = get("/rt/events/a");
  request.target = "/rt%2Fevents/a";
  assert_text(complaint(request, rules), "404 Not found");
}
END_TEST

START_TEST(a_user_in_the_path_may_hold_a_slash) {
  RouteRules rules = open_rules();
  rules.access.user = "10";
  Request request = get("/users/a/b/presence");
  request.target = "/users/a%2Fb/presence";
  assert_text(call_of(request, rules).user, "a/b");
  request.target = "";
  assert_text(complaint(request, rules), "404 Not found");
}
END_TEST

}  // namespace

int main() {
  return run("path", {
                         an_encoded_separator_belongs_to_its_name,
                         a_path_is_normalised_as_the_web_server_does_it,
                         a_path_other_than_the_servers_is_ignored,
                         an_encoded_slash_that_the_server_decoded_is_rejected,
                         the_mount_is_the_path_of_the_cgi_script,
                         rules_on_the_decoded_path_cannot_be_bypassed,
                         a_route_accepts_names_with_separators_if_the_pattern_does,
                         a_user_in_the_path_may_hold_a_slash,
                     });
}
