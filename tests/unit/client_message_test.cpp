// Messages of a WebSocket's client, and the requests over HTTP that ask for the same.
#include "core/request/client_message.hpp"

#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string complaint_about(std::string_view text) {
  const auto read = read_message(text, 3);
  const auto* bad = std::get_if<BadMessage>(&read);
  return bad == nullptr ? "" : bad->number + ' ' + bad->error.msg;
}

ClientMessage message(std::string_view text) {
  assert_text(complaint_about(text), "", text);
  return std::get<ClientMessage>(read_message(text, 3));
}

Route route_of(const ClientMessage& message) {
  RouteRules rules = open_rules();
  rules.base = kMessageBase;
  Caller caller;
  caller.session.identity = {"7", "main"};
  return route_as(request_of(message), rules, caller);
}

START_TEST(a_subscription_is_that_of_a_request) {
  const auto asked = message(R"({"request":3,"subscribe":["b","a","b"],"last_event_id":"434"})");
  assert_text(asked.number, "3");
  const auto found = std::get<Subscription>(route_of(asked));
  assert_text(joined(found.channels), "a,b");
  ck_assert_uint_eq(found.cursor.id, 434);
  ck_assert_uint_eq(
      std::get<Subscription>(route_of(message(R"({"request":3,"subscribe":["a"],"last_event_id":9})"))).cursor.id, 9);
}
END_TEST

START_TEST(names_with_separators_are_one_name) {
  RouteRules rules = open_rules();
  std::string error;
  const auto all = NamePattern::compile(".+", error);
  rules.base = kMessageBase;
  rules.names = all.get();
  const auto asked = message(R"({"request":1,"subscribe":["a/b,c","%2F?d"]})");
  const auto found = std::get<Subscription>(route_as(request_of(asked), rules, Caller{}));
  assert_text(joined(found.channels), "%2F?d,a/b,c");
  ck_assert_uint_eq(found.channels.size(), 2);
}
END_TEST

START_TEST(a_publication_keeps_its_data_as_written) {
  const auto asked =
      message(R"({"data":{"n":1.50, "n":2},"request":5,"publish":"cheese","type":"t","ttl":45,"idempotency_key":"k"})");
  assert_text(asked.body, R"({"type":"t","data":{"n":1.50, "n":2},"ttl":45})");
  const auto found = std::get<Publication>(route_of(asked));
  assert_text(found.channel, "cheese");
  assert_text(found.idempotency_key, "k");
}
END_TEST

START_TEST(a_call_is_that_of_a_request) {
  const auto asked =
      message(R"({"request":6,"call":{"method":"POST","path":"/users/me/presence","body":{"status":"active"}}})");
  assert_text(asked.body, R"({"status":"active"})");
  ck_assert(std::get<Call>(route_of(asked)).endpoint == Endpoint::kReportPresence);
  const auto read =
      std::get<Call>(route_of(message(R"({"request":6,"call":{"method":"GET","path":"/users/a%20b/presence?x=1"}})")));
  assert_text(read.user, "a b");
  assert_text(read.query, "x=1");
  assert_text(complaint(route_of(message(R"({"request":6,"call":{"method":"DELETE","path":"/typing"}})"))),
              "405 Method not allowed");
}
END_TEST

// What each path takes as over HTTP. OPTIONS is for preflights, which come over HTTP only.
START_TEST(a_call_has_the_methods_of_its_path) {
  const struct {
    const char* path;
    const char* methods;
  } rows[] = {
      {"/register", "POST"},
      {"/users/me/presence", "GET HEAD POST"},
      {"/users/8/presence", "GET HEAD"},
      {"/realm/presence", "GET HEAD"},
      {"/typing", "POST"},
      {"/settings", "PATCH"},
      {"/events/a", "GET HEAD POST"},
  };
  for (const auto& row : rows) {
    for (const std::string method :
         {"GET", "HEAD", "POST", "PATCH", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "get", "X", " "}) {
      const std::string text = R"({"request":6,"call":{"method":")" + method + R"(","path":")" + row.path + "\"}}";
      const bool allowed =
          method != " " && (' ' + std::string(row.methods) + ' ').find(' ' + method + ' ') != std::string::npos;
      const Route found = route_of(message(text));
      const auto* error = std::get_if<Error>(&found);
      assert_text(error == nullptr ? "" : error->msg, allowed ? "" : "Method not allowed", text);
      assert_that(error == nullptr || error->allow.find(", OPTIONS") != std::string::npos, text);
    }
  }
}
END_TEST

START_TEST(what_is_wrong_with_a_message) {
  const char* const cases[][2] = {
      {"[]", "null A message is a JSON object"},
      {"3", "null A message is a JSON object"},
      {R"({"subscribe":["a"]})", "null Member 'request' is not an integer"},
      {R"({"request":"3","token":"x"})", "null Member 'request' is not an integer"},
      {R"({"request":3.0,"token":"x"})", "null Member 'request' is not an integer"},
      {R"({"request":12345678901234567,"token":"x"})", "null Member 'request' is not an integer"},
      {R"({"request":-3})", "-3 A message has one of subscribe, unsubscribe, publish, call and token"},
      {R"({"request":3,"token":"x","publish":"a"})",
       "3 A message has one of subscribe, unsubscribe, publish, call and token"},
      {R"({"request":3,"tokn":"x"})", "3 Member 'tokn' is unknown"},
      {R"({"request":3,"token":"x","token":"y"})", "3 Member 'token' is given twice"},
      {R"({"request":3,"token":"x","ttl":1})", "3 Member 'ttl' has no meaning here"},
      {R"({"request":3,"publish":"x","last_event_id":1})", "3 Member 'last_event_id' has no meaning here"},
      {R"({"request":3,"token":7})", "3 Member 'token' is not a string"},
      {R"({"request":3,"publish":["a"]})", "3 Member 'publish' is not a string"},
      {R"({"request":3,"publish":"a","idempotency_key":1})", "3 Member 'idempotency_key' is not a string"},
      {R"({"request":3,"subscribe":"a"})", "3 Member 'subscribe' is not a list of channels"},
      {R"({"request":3,"subscribe":[]})", "3 Member 'subscribe' is not a list of channels"},
      {R"({"request":3,"unsubscribe":["a",1]})", "3 Member 'unsubscribe' is not a list of channels"},
      {R"({"request":3,"subscribe":["\u0000"]})", "3 Member 'subscribe' is not a list of channels"},
      {R"({"request":3,"call":"x"})", "3 A call has the strings method and path"},
      {R"({"request":3,"call":{"method":"GET"}})", "3 A call has the strings method and path"},
      {R"({"request":3,"call":{"method":"GET","path":"/x","query":1}})",
       "3 Member 'query' is unknown: a call has method, path and body"},
      {R"({"request":3,"call":{"method":"GET","path":"/x","method":"POST"}})", "3 Member 'method' is given twice"},
      {R"({"request":3,"call":{"path":"/x","path":"/x","method":"GET"}})", "3 Member 'path' is given twice"},
      {R"({"request":3,"call":{"path":3,"path":"/x","method":"GET"}})", "3 Member 'path' is given twice"},
      {R"({"request":3,"call":{"method":"POST","path":"/x","body":{},"body":{}}})", "3 Member 'body' is given twice"},
      {R"({"request":3,"call":{"method":"GET","path":3}})", "3 A call has the strings method and path"},
      {R"({"request":3,"call":{"method":"GET","path":"/%"}})", "3 The path of the call cannot be decoded"},
  };
  for (const auto& [text, wanted] : cases) {
    assert_text(complaint_about(text), wanted, text);
  }
}
END_TEST

std::string names(std::size_t count, const std::string& name) {
  std::string list;
  for (std::size_t at = 0; at < count; ++at) {
    list += (list.empty() ? "\"" : ",\"") + name + '"';
  }
  return '[' + list + ']';
}

START_TEST(sizes_are_limited_before_anything_is_looked_up) {
  const std::string long_path(8 * 1024, 'a');
  const std::string long_text(64 * 1024, 'a');
  const std::string cases[][2] = {
      {R"("subscribe":)" + names(3, "a"), ""},
      {R"("unsubscribe":)" + names(3, R"(,\",)"), ""},
      {R"("subscribe":)" + names(4, "a"), "3 Too many channels (at most 3)"},
      {R"("unsubscribe":)" + names(500'000, "a"), "3 Too many channels (at most 3)"},
      {R"("unsubscribe":)" + names(1, long_text), "3 Member 'unsubscribe' is longer than 65536 bytes"},
      {R"("subscribe":["a"],"last_event_id":")" + long_text + '"',
       "3 Member 'last_event_id' is longer than 65536 bytes"},
      {R"("subscribe":["a"],"last_event_id":1)" + std::string(long_text.size(), '0'),
       "3 Member 'last_event_id' is longer than 65536 bytes"},
      {R"("token":")" + long_text + '"', "3 Member 'token' is longer than 65536 bytes"},
      {R"("publish":")" + long_text + '"', "3 Member 'publish' is longer than 65536 bytes"},
      {R"("publish":"a","data":")" + long_text + '"', ""},
      {R"("call":{"method":"GET","path":"/)" + long_path.substr(3) + "\"}", ""},
      {R"("call":{"method":"GET","path":"/)" + long_path.substr(2) + "\"}",
       "3 Member 'path' is longer than 8192 bytes"},
      {R"("call":{"method":"GET","path":"/a?)" + long_path + "\"}", "3 Member 'path' is longer than 8192 bytes"},
      {R"("call":{"path":"/a","method":")" + long_path + "\"}", "3 Member 'method' is longer than 8192 bytes"},
      {R"("call":{"method":"POST","path":"/a","body":")" + long_text + "\"}", ""},
  };
  for (const auto& [members, wanted] : cases) {
    assert_text(complaint_about(R"({"request":3,)" + members + '}'), wanted, members.substr(0, 60));
  }
}
END_TEST

START_TEST(names_are_checked_as_those_of_requests) {
  assert_text(complaint(route_of(message(R"({"request":3,"subscribe":["a","b c"]})"))),
              "400 Invalid channel name 'b c'");
  assert_text(complaint(route_of(message(R"({"request":3,"subscribe":[""]})"))), "400 No channel given");
  assert_text(complaint(route_of(message(R"({"request":3,"subscribe":["pgevents.control"]})"))),
              "403 Not authorized for channel 'pgevents.control'");
  assert_text(complaint(route_of(message(R"({"request":3,"subscribe":["a"],"last_event_id":"x"})"))),
              "400 Invalid Last-Event-ID");
}
END_TEST

}  // namespace

int main() {
  return run(
      "client_message",
      {a_subscription_is_that_of_a_request, names_with_separators_are_one_name, a_publication_keeps_its_data_as_written,
       a_call_is_that_of_a_request, a_call_has_the_methods_of_its_path, what_is_wrong_with_a_message,
       sizes_are_limited_before_anything_is_looked_up, names_are_checked_as_those_of_requests});
}
