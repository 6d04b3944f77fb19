// Access in route(): which error comes first, what a route contains of the caller, preflights.
#include <utility>

#include "access_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// RouteRules with a key, by which user 10 may subscribe to `a` and publish to `p`; and a request.
struct Scene {
  Case access;
  RouteRules rules;
  OriginRules origins;
  std::string cookie;

  Scene() {
    rules.names = &default_names();
    ck_assert(!origins.add("https://friend.example"));
    access.rules.origins = &origins;
    access.rules.anonymous = "open";
    good();
  }
  Request& request() { return access.request; }
  void claims(const std::string& text) {
    access.bearer(user_token(text + R"(,"pgevents":{"subscribe":["a"],"publish":["p"]})"));
  }
  void good() { claims(R"("sub":"10","iat":1600000000)"); }
  void by_cookie() {
    cookie = "token=" + std::string(request().authorization.substr(7));
    request().cookie = cookie;
    request().authorization = "";
  }
  Route result() {
    rules.access = access.rules;
    return route(request(), rules, kNow);
  }
  std::string said() { return complaint(result()); }
};

START_TEST(a_route_carries_the_session) {
  Scene scene;
  const auto listening = std::get<Subscription>(scene.result()).session;
  assert_text(listening.identity.user + '/' + listening.identity.realm, "10/main");
  ck_assert(listening.by_token && listening.issued_us == 1600000000000000 && listening.expires_at == 1700000100);
  scene.request().method = "POST";
  scene.request().path = "/events/p";
  const auto publishing = std::get<Publication>(scene.result()).session;
  assert_text(publishing.identity.user + '/' + publishing.identity.realm, "10/main");
  ck_assert(publishing.by_token && publishing.issued_us == 1600000000000000 && publishing.expires_at == 1700000100);
  scene.access.rules.user = "anna";
  scene.access.rules.publish = "p";
  const auto server = std::get<Publication>(scene.result()).session;
  assert_text(server.identity.user, "anna");
  ck_assert(!server.by_token && server.issued_us == 0 && !server.expires_at);
}
END_TEST

START_TEST(while_revocation_is_unknown_only_a_stream_can_wait) {
  const struct {
    const char* method;
    const char* path;
    const char* accept;
    const char* wanted;
  } rows[] = {
      {"GET", "/events/a", "text/event-stream", "a stream that waits"},
      {"HEAD", "/events/a", "text/event-stream", "503 The database is not available"},
      {"GET", "/events/a", "", "503 The database is not available"},
      {"POST", "/events/p", "", "503 The database is not available"},
      {"POST", "/typing", "", "503 The database is not available"},
      {"POST", "/register", "", "503 The database is not available"},
      {"GET", "/realm/presence", "", "503 The database is not available"},
      {"GET", "/events/b", "text/event-stream", "403 Not authorized for channel 'b'"},
      {"OPTIONS", "/events/a", "", "options"},
  };
  for (const auto& row : rows) {
    Scene scene;
    scene.access.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(database_away(5)); };
    scene.request().method = row.method;
    scene.request().path = row.path;
    scene.request().accept = row.accept;
    const Route found = scene.result();
    std::string said = std::holds_alternative<PreflightAnswer>(found) ? "options" : "something else";
    if (const auto* error = std::get_if<Error>(&found)) {
      said = std::to_string(error->status) + ' ' + error->msg;
    }
    const auto* stream = std::get_if<Subscription>(&found);
    if (stream != nullptr && stream->session.unchecked) {
      said = "a stream that waits";
    }
    assert_text(said, row.wanted);
  }
}
END_TEST

START_TEST(with_a_primary_what_writes_need_not_wait_for_the_revocations) {
  for (const auto& [method, path] : {std::pair{"POST", "/events/p"}, {"POST", "/typing"}, {"GET", "/realm/presence"}}) {
    Scene scene;
    scene.rules.checks_later = true;
    scene.access.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(database_away(5)); };
    scene.request().method = method;
    scene.request().path = path;
    const Route found = scene.result();
    const auto* publication = std::get_if<Publication>(&found);
    const auto* call = std::get_if<Call>(&found);
    assert_that(publication != nullptr || call != nullptr, path);
    assert_that((publication != nullptr ? publication->session : call->session).unchecked, path);
  }
  Scene scene;
  scene.rules.checks_later = true;
  scene.access.rules.revoked = [](std::string_view, std::int64_t) { return std::optional<Error>(database_away(5)); };
  scene.request().path = "/events/a";
  assert_text(scene.said(), "503 The database is not available", "a poll");
}
END_TEST

START_TEST(the_time_is_that_of_the_request) {
  Scene scene;
  scene.rules.access = scene.access.rules;
  assert_text(complaint(route(scene.request(), scene.rules, 1700000099.9)), "");
  assert_text(complaint(route(scene.request(), scene.rules, 1700000100)), "401 The token has expired");
}
END_TEST

START_TEST(a_bad_token_is_rejected_even_where_none_is_needed) {
  Scene scene;
  for (const char* method : {"GET", "HEAD", "POST"}) {
    scene.request().method = method;
    scene.request().path = "/events/open";
    scene.access.bearer("x");
    assert_text(scene.said(), "401 Invalid token", method);
  }
  scene.request().method = "GET";
  scene.request().authorization = "";
  assert_text(scene.said(), "");
}
END_TEST

// Each row also has all faults of the rows below it.
START_TEST(the_error_is_the_first_of_path_method_early_data_token_origin_names_grants_parameters) {
  Scene scene;
  scene.claims(R"("sub":"10","exp":1)");
  scene.access.rules.token.audience = "us";
  scene.request() = request_for("PUT", "/nowhere/a b", "timeout=x");
  scene.request().authorization = "Bearer x";
  assert_text(scene.said(), "404 Not found");
  scene.request().path = "/events/b,a b";
  assert_text(scene.said(), "405 Method not allowed");
  scene.request().method = "POST";
  scene.request().early_data = true;
  assert_text(scene.said(), "425 Not accepted as early data; send it again after the TLS handshake");
  scene.request().early_data = false;
  scene.request().origin = "https://evil.example";
  assert_text(scene.said(), "401 Invalid token");
  scene.good();
  assert_text(scene.said(), "401 The token is for another service");
  scene.access.rules.token.audience = "";
  scene.by_cookie();
  assert_text(scene.said(), "403 Not authorized from this origin");
  scene.request().origin = "https://friend.example";
  assert_text(scene.said(), "400 Invalid channel name 'a b'");
  scene.request().path = "/events/q,p";
  assert_text(scene.said(), "403 Not authorized for channel 'q'");
  scene.request().path = "/events/p";
  scene.request().content_type = "text/plain";
  assert_text(scene.said(), "415 Publish application/json or application/x-www-form-urlencoded");
  scene.request().content_type = "";
  assert_text(scene.said(), "");
}
END_TEST

START_TEST(early_data_that_would_change_anything_is_rejected) {
  const struct {
    const char* method;
    const char* path;
    bool refused;
    bool refused_with_key;
  } rows[] = {
      {"GET", "/events/a", false, false},
      {"HEAD", "/events/a", false, false},
      {"OPTIONS", "/events/a", false, false},
      {"POST", "/events/a", true, false},
      {"POST", "/register", true, true},
      {"POST", "/users/me/presence", true, true},
      {"GET", "/users/me/presence", false, false},
      {"GET", "/realm/presence", false, false},
      {"POST", "/typing", true, true},
      {"PATCH", "/settings", true, true},
  };
  for (const auto& row : rows) {
    RouteRules rules = open_rules();
    rules.access.user = "10";
    Request request = request_for(row.method, row.path);
    assert_text(complaint(request, rules), "", row.path);
    request.early_data = true;
    ck_assert_msg((complaint(request, rules).substr(0, 3) == "425") == row.refused, "%s %s", row.method, row.path);
    request.idempotency_key = "k";
    ck_assert_msg((complaint(request, rules).substr(0, 3) == "425") == row.refused_with_key, "%s %s, with a key",
                  row.method, row.path);
  }
}
END_TEST

START_TEST(a_subscription_is_rejected_before_its_parameters_are_read) {
  Scene scene;
  scene.request().path = "/events/b/bad wait id";
  scene.request().query = "timeout=x";
  assert_text(scene.said(), "403 Not authorized for channel 'b'");
  scene.request().path = "/events/a/bad wait id";
  assert_text(scene.said(), "400 Invalid wait id");
  scene.request().path = "/events/a";
  assert_text(scene.said(), "400 Invalid timeout");
  scene.request().query = "";
  assert_text(scene.said(), "");
}
END_TEST

START_TEST(one_rejected_channel_rejects_all_and_is_named_in_the_requests_order) {
  Scene scene;
  const struct {
    const char* path;
    const char* wanted;
  } rows[] = {
      {"/events/a,open,user:10", ""},
      {"/events/open,z,a,b", "403 Not authorized for channel 'z'"},
      {"/events/a,pgevents.control,z", "403 Not authorized for channel 'pgevents.control'"},
      {"/events/user:11,a", "403 Not authorized for channel 'user:11'"},
      {"/events/p", "403 Not authorized for channel 'p'"},
  };
  for (const auto& row : rows) {
    scene.request().path = row.path;
    assert_text(scene.said(), row.wanted, row.path);
  }
  scene.request().authorization = "";
  scene.request().path = "/events/open,z,a";
  assert_text(scene.said(), "401 Authentication required for channel 'z'");
}
END_TEST

START_TEST(reading_needs_no_origin) {
  for (const char* method : {"GET", "HEAD"}) {
    Scene scene;
    scene.by_cookie();
    scene.request().method = method;
    scene.request().origin = "https://evil.example";
    scene.request().sec_fetch_site = "cross-site";
    assert_text(scene.said(), "", method);
  }
}
END_TEST

START_TEST(publishing_by_header_needs_no_origin) {
  Scene scene;
  scene.request().method = "POST";
  scene.request().path = "/events/p";
  scene.request().origin = "https://evil.example";
  scene.request().sec_fetch_site = "cross-site";
  assert_text(scene.said(), "");
  scene.by_cookie();
  assert_text(scene.said(), "403 Not authorized from this origin");
}
END_TEST

std::string told(const Route& route) {
  std::string text;
  for (const Header& header : std::get<PreflightAnswer>(route).headers) {
    text += header.name + ' ';
  }
  return text;
}

constexpr char kAnswered[] = "Access-Control-Allow-Methods Access-Control-Allow-Headers Access-Control-Max-Age ";

START_TEST(a_preflight_needs_no_token_and_no_channel) {
  Scene scene;
  scene.request() = request_for("OPTIONS", "/events/b,no name");
  scene.request().origin = "https://friend.example";
  scene.request().preflight_method = "POST";
  assert_text(told(scene.result()), kAnswered);
  scene.access.bearer("x");
  assert_text(told(scene.result()), kAnswered);
}
END_TEST

START_TEST(options_without_preflight_headers_get_no_preflight_answer) {
  Scene scene;
  scene.request() = request_for("OPTIONS", "/events/a");
  assert_text(told(scene.result()), "");
  scene.request().origin = "https://friend.example";
  assert_text(told(scene.result()), "");
  scene.request().preflight_method = "POST";
  scene.request().origin = "";
  assert_text(told(scene.result()), "");
  scene.request().origin = "https://evil.example";
  assert_text(told(scene.result()), "");
  scene.access.rules.origins = nullptr;
  scene.request().origin = "https://friend.example";
  assert_text(told(scene.result()), "");
  scene.request().path = "/nowhere";
  assert_text(scene.said(), "404 Not found");
}
END_TEST

START_TEST(a_query_that_cannot_be_decoded_is_a_bad_request) {
  Scene scene;
  scene.access.rules.token.query = true;
  scene.request().authorization = "";
  scene.request().path = "/events/open";
  scene.request().query = "access_token=%zz";
  assert_text(scene.said(), "400 Invalid encoding in the query");
}
END_TEST

}  // namespace

int main() {
  return run("request_access",
             {
                 a_route_carries_the_session,
                 while_revocation_is_unknown_only_a_stream_can_wait,
                 with_a_primary_what_writes_need_not_wait_for_the_revocations,
                 the_time_is_that_of_the_request,
                 a_bad_token_is_rejected_even_where_none_is_needed,
                 the_error_is_the_first_of_path_method_early_data_token_origin_names_grants_parameters,
                 early_data_that_would_change_anything_is_rejected,
                 a_subscription_is_rejected_before_its_parameters_are_read,
                 one_rejected_channel_rejects_all_and_is_named_in_the_requests_order,
                 reading_needs_no_origin,
                 publishing_by_header_needs_no_origin,
                 a_preflight_needs_no_token_and_no_channel,
                 options_without_preflight_headers_get_no_preflight_answer,
                 a_query_that_cannot_be_decoded_is_a_bad_request,
             });
}
