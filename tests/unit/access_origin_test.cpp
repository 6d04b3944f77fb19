// From which pages a caller may change something if the browser sends the credentials by itself.
#include "access_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

enum class Who { kOnPurpose, kCookie, kServer };

Caller caller_of(Who who) {
  Caller caller;
  caller.by_cookie = who == Who::kCookie;
  caller.ambient = who != Who::kOnPurpose;
  return caller;
}

// A POST to https://App.example, with one origin listed and `*`, which must not count.
bool good(Who who, const char* origin, const char* site, bool https = true) {
  static OriginRules* const origins = [] {
    static OriginRules rules;
    for (const char* rule : {"https://friend.example", "~https://[a-z]+\\.friends\\.example", "*"}) {
      rules.add(rule);
    }
    return &rules;
  }();
  Request request = request_for("POST", "/events/a");
  request.origin = origin;
  request.host = "App.example:443";
  request.sec_fetch_site = site;
  request.https = https;
  AccessRules rules;
  rules.origins = origins;
  const auto error = check_origin(request, caller_of(who), rules);
  if (error) {
    ck_assert_int_eq(error->status, 403);
    assert_text(error->msg, "Not authorized from this origin");
    ck_assert(error->challenge.empty() && error->code.empty());
  }
  return !error;
}

START_TEST(what_was_sent_on_purpose_may_come_from_anywhere) {
  for (const char* origin : {"", "null", "https://evil.example"}) {
    for (const char* site : {"", "cross-site"}) {
      ck_assert(good(Who::kOnPurpose, origin, site));
    }
  }
}
END_TEST

START_TEST(the_browsers_headers_about_the_page_decide) {
  const struct {
    const char* origin;
    const char* site;
    bool wanted;
  } rows[] = {
      {"https://app.example", "same-origin", true},
      {"https://www.app.example", "same-site", true},
      {"", "none", true},
      {"", "same-origin", true},
      {"https://app.example", "cross-site", false},
      {"https://evil.example", "cross-site", false},
      {"", "cross-site", false},
      {"null", "cross-site", false},
      {"https://app.example", "Same-Origin", false},
      {"https://app.example", "same-origin, cross-site", false},
      {"https://app.example", "other", false},
  };
  for (const Who who : {Who::kCookie, Who::kServer}) {
    for (const auto& row : rows) {
      assert_that(good(who, row.origin, row.site) == row.wanted, std::string(row.origin) + " / " + row.site);
    }
  }
}
END_TEST

START_TEST(a_listed_origin_may_but_a_star_lists_none) {
  const struct {
    const char* origin;
    bool wanted;
  } rows[] = {{"https://friend.example", true},      {"https://x.friends.example", true},
              {"http://friend.example", false},      {"https://friend.example:8443", false},
              {"https://x1.friends.example", false}, {"https://x.friends.example.evil", false},
              {"https://stranger.example", false}};
  for (const Who who : {Who::kCookie, Who::kServer}) {
    for (const char* site : {"", "cross-site"}) {
      for (const auto& row : rows) {
        assert_that(good(who, row.origin, site) == row.wanted, row.origin);
      }
    }
  }
}
END_TEST

START_TEST(an_old_browser_is_judged_by_origin_and_host) {
  const struct {
    const char* origin;
    bool https;
    bool wanted;
  } rows[] = {
      {"https://app.example", true, true},
      {"https://app.example:8443", true, true},
      {"http://app.example", true, false},
      {"https://app.example", false, true},
      {"http://app.example", false, true},
      {"http://app.example:8080", false, true},
      {"app://app.example", false, false},
      {"app://app.example", true, false},
      {"HTTPS://app.example", true, false},
      {"https://evil.example", true, false},
      {"https://www.app.example", true, false},
      {"https://app.example.evil.example", true, false},
      {"https://evilapp.example", true, false},
      {"https://app.example@evil.example", true, false},
      {"https://evil.example/app.example", true, false},
      {"https://app.example/", true, false},
      {"//app.example", true, false},
      {"app.example", false, false},
      {"https:app.example", true, false},
      {"https://", true, false},
      {"null", true, false},
      {"null", false, false},
  };
  for (const Who who : {Who::kCookie, Who::kServer}) {
    for (const auto& row : rows) {
      assert_that(good(who, row.origin, "", row.https) == row.wanted, row.origin);
    }
  }
}
END_TEST

START_TEST(a_request_without_such_headers_comes_from_no_browser_unless_it_has_a_cookie) {
  ck_assert(good(Who::kServer, "", ""));
  ck_assert(!good(Who::kCookie, "", ""));
}
END_TEST

START_TEST(without_listed_origins_the_same_holds) {
  Request request = request_for("POST", "/events/a");
  request.host = "app.example";
  request.origin = "https://app.example";
  ck_assert(!check_origin(request, caller_of(Who::kCookie), {}));
  request.origin = "https://friend.example";
  ck_assert(check_origin(request, caller_of(Who::kCookie), {}));
  request.origin = "";
  ck_assert(check_origin(request, caller_of(Who::kCookie), {}));
}
END_TEST

START_TEST(null_is_foreign_unless_it_is_listed) {
  OriginRules origins;
  AccessRules rules;
  rules.origins = &origins;
  Request request = request_for("POST", "/events/a");
  request.host = "null";
  request.origin = "null";
  ck_assert(check_origin(request, caller_of(Who::kCookie), rules));
  ck_assert(!origins.add("null"));
  ck_assert(!check_origin(request, caller_of(Who::kCookie), rules));
}
END_TEST

START_TEST(hosts_are_compared_without_case_and_port_also_as_ipv6) {
  const struct {
    const char* origin;
    const char* host;
    bool wanted;
  } rows[] = {
      {"http://[::1]:8080", "[::1]", true},
      {"http://[::1]", "[::1]:8080", true},
      {"http://[::2]", "[::1]", false},
      {"http://[::1]", "[::1:1]", false},
      {"http://[2001:db8::a]:1", "[2001:DB8::A]:2", true},
      {"http://a", "A:80", true},
      {"http://a", "a", true},
      {"http://a", "b", false},
      {"http://a", "", false},
      {"http://", "", false},
      {"http://:1", ":80", false},
      {"http://a", ":80", false},
      {"http://127.0.0.1:1", "127.0.0.1", true},
      {"http://127.0.0.1", "127.0.0.2", false},
      {"http://@", "`", false},
  };
  for (const auto& row : rows) {
    Request request = request_for("POST", "/events/a");
    request.origin = row.origin;
    request.host = row.host;
    assert_that(!check_origin(request, caller_of(Who::kCookie), {}) == row.wanted,
                std::string(row.origin) + " / " + row.host);
  }
}
END_TEST

}  // namespace

int main() {
  return run("access_origin", {
                                  what_was_sent_on_purpose_may_come_from_anywhere,
                                  the_browsers_headers_about_the_page_decide,
                                  a_listed_origin_may_but_a_star_lists_none,
                                  an_old_browser_is_judged_by_origin_and_host,
                                  a_request_without_such_headers_comes_from_no_browser_unless_it_has_a_cookie,
                                  without_listed_origins_the_same_holds,
                                  null_is_foreign_unless_it_is_listed,
                                  hosts_are_compared_without_case_and_port_also_as_ipv6,
                              });
}
