// Reading a client's input takes at most linear time. Each input is larger than nginx and the limits of bodies allow;
// quadratic time would take minutes. The bound is generous: it holds under sanitizers too.
#include <functional>
#include <string>

#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr int kMany = 200000;
constexpr double kMostSeconds = 5;  // of processor time; some take a tenth of a second

std::string repeated(const std::function<std::string(int)>& piece) {
  std::string text;
  for (int i = 0; i < kMany; ++i) {
    text += piece(i);
  }
  return text;
}

std::string numbered(const std::string& before, const std::string& behind) {
  return repeated([&](int i) { return before + std::to_string(i) + behind; });
}

void assert_linear(const char* what, const std::function<void()>& work) {
  const double start = cpu_seconds();
  work();
  const double taken = cpu_seconds() - start;
  assert_that(taken < kMostSeconds, std::string(what) + ": " + std::to_string(taken) + " s");
}

std::string route_text(const Request& request, const RouteRules& rules = open_rules()) {
  return complaint(route(request, rules, kRouteTime));
}

START_TEST(parameters_of_calls) {
  Call call;
  std::string params;
  for (const bool form : {true, false}) {
    const std::string body = form ? numbered("n", "=1&") : "{\"x\":1" + numbered(",\"n", "\":1") + "}";
    call.has_body = true;
    call.form = form;
    assert_linear(form ? "form" : "JSON", [&] {
      assert_text(call_params(call, body, params)->msg, form ? "Too many parameters in the form (at most 64)"
                                                             : "Too many parameters in the body (at most 64)");
    });
  }
  const std::string nested = "{\"to\":{\"x\":1" + numbered(",\"n", "\":1") + "}}";
  assert_linear("nested names", [&] { ck_assert(!call_params(call, nested, params)); });
  const std::string list = "{\"to\":[1" + numbered(",", "") + "]}";
  assert_linear("list", [&] { ck_assert(!call_params(call, list, params)); });
}
END_TEST

START_TEST(publications) {
  Publication publication;
  std::string json;
  for (const bool form : {true, false}) {
    publication.form = form;
    const std::string body = form ? numbered("n", "=1&") : "{\"x\":1" + numbered(",\"n", "\":1") + "}";
    assert_linear(form ? "form" : "JSON", [&] { ck_assert(publish_body(publication, body, default_names(), json)); });
  }
  const std::string data = "{\"type\":\"t\",\"data\":{\"x\":1" + numbered(",\"\\u00e4", "\":[{}]") + "}}";
  assert_linear("data", [&] { ck_assert(!publish_body(publication, data, default_names(), json)); });
}
END_TEST

START_TEST(paths_and_lists_of_channels) {
  // Every pattern of a token is compared with every name.
  std::string patterns;
  for (int i = 0; i < 2000; ++i) {
    patterns += "p" + std::to_string(i) + "{user}{realm}* ";
  }
  RouteRules rules = open_rules();
  rules.access.subscribe = patterns;
  const std::string names = numbered("p", ",") + "x";
  const std::string same = repeated([](int) { return "a,"; }) + "a";
  const std::string encoded = repeated([](int) { return "a%2C,"; }) + "a";
  const std::string slashes = repeated([](int) { return "/x%2F"; }) + "/..";
  assert_linear("different names", [&] {
    const std::string path = "/events/" + names;
    assert_text(route_text(get(path), rules), "400 Too many channels (at most 64)");
  });
  assert_linear("one name many times", [&] {
    const std::string path = "/events/" + same;
    assert_text(route_text(get(path)), "");
  });
  assert_linear("encoded commas", [&] {
    const std::string path = "/events/" + same;
    Request request = get(path);
    const std::string target = "/events/" + encoded;
    request.target = target;
    route_text(request);
  });
  assert_linear("segments", [&] {
    Request request = get(slashes);
    request.target = slashes;
    route_text(request);
  });
}
END_TEST

START_TEST(queries_and_headers) {
  RouteRules rules = open_rules();
  rules.access.token.query = true;
  rules.access.token.cookie = "token";
  JwtKeys keys;
  ck_assert(!keys.add(std::string(32, 'k'), "", ""));
  rules.access.token.keys = &keys;
  const std::string query = numbered("types", "=1&");
  const std::string types = "types=t" + numbered(",t", "");
  const std::string cookies = numbered("token=;c", "=1; ");
  const std::string accept = numbered("text/x", ", ");
  Request request = get("/events/a", query);
  assert_linear("query",
                [&] { assert_text(route_text(request), "400 Too many parameters in the query (at most 64)"); });
  request.query = types;
  assert_linear("types", [&] { assert_text(route_text(request), "400 Too many event types (at most 64)"); });
  request.query = {};
  request.cookie = cookies;
  request.accept = accept;
  request.origin = accept;
  const std::string digits = numbered("", "");
  request.last_event_id = digits;
  assert_linear("headers", [&] { assert_text(route_text(request), "400 Invalid Last-Event-ID"); });
}
END_TEST

}  // namespace

int main() {
  return run("linear", {parameters_of_calls, publications, paths_and_lists_of_channels, queries_and_headers});
}
