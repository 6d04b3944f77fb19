// Paths, methods, channels and access: the route of a request, and its access rules.
#include <string>

#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(a_get_of_a_channel_is_a_subscription) {
  const Subscription wanted = subscription(get("/events/cheese"));
  assert_text(joined(wanted.channels), "cheese");
  assert_text(wanted.wait_id, "");
  ck_assert(wanted.cursor.kind == Cursor::Kind::kNow);
  ck_assert(wanted.flavor == Flavor::kLongPoll);
  ck_assert(!wanted.head_only && !wanted.envelope && !wanted.timeout && wanted.filter.passes_all());
}
END_TEST

START_TEST(channels_are_sorted_and_each_comes_once) {
  assert_text(joined(subscription(get("/events/b,a,b,c,a")).channels), "a,b,c");
}
END_TEST

START_TEST(without_a_base_the_path_begins_anywhere_before_the_first_events) {
  for (const char* path : {"/events/a", "/rt/events/a", "/a/b/c/events/a", "//events/a", "/eventsx/events/a"}) {
    assert_text(joined(subscription(get(path)).channels), "a", path);
  }
  const Subscription twice = subscription(get("/events/events/a"));
  assert_text(joined(twice.channels), "events");
  assert_text(twice.wait_id, "a");
}
END_TEST

START_TEST(with_a_base_the_path_must_start_with_it) {
  for (const char* base : {"/rt", "/rt/", "rt", "/rt//"}) {
    RouteRules rules = open_rules();
    rules.base = base;
    assert_text(joined(subscription(get("/rt/events/a"), rules).channels), "a", base);
    for (const char* path : {"/events/a", "/rtx/events/a", "/rt", "/rt/", "/rtevents/a", "/rtxevents/a",
                             "/rt/x/events/a", "/RT/events/a"}) {
      assert_text(complaint(get(path), rules), "404 Not found", path);
    }
  }
}
END_TEST

START_TEST(a_base_of_one_slash_is_a_base_too) {
  RouteRules rules = open_rules();
  rules.base = "/";
  assert_text(joined(subscription(get("/events/a"), rules).channels), "a");
  assert_text(complaint(get("/rt/events/a"), rules), "404 Not found");
}
END_TEST

START_TEST(a_base_may_contain_events) {
  RouteRules rules = open_rules();
  rules.base = "/events/v1/";
  assert_text(joined(subscription(get("/events/v1/events/a"), rules).channels), "a");
}
END_TEST

START_TEST(other_paths_are_not_found) {
  for (const char* path :
       {"", "/", "events/a", "/event/a", "/Events/a", "/rt", "/presence/a", "/events/a/b/c", "/events/a/b/"}) {
    assert_text(complaint(get(path)), "404 Not found", path);
  }
}
END_TEST

START_TEST(a_channel_must_be_given) {
  for (const char* path : {"/events", "/events/", "/rt/events/", "/events//"}) {
    assert_text(complaint(get(path)), "400 No channel given", path);
  }
}
END_TEST

START_TEST(bad_channel_names_are_named) {
  const struct {
    std::string_view path;
    const char* wanted;
  } rows[] = {
      {"/events/a b", "400 Invalid channel name 'a b'"},
      {"/events/a,", "400 Invalid channel name ''"},
      {"/events/,a", "400 Invalid channel name ''"},
      {"/events/a,,b", "400 Invalid channel name ''"},
      {"/events/good,b*d", "400 Invalid channel name 'b*d'"},
      {"/events/a\nb", "400 Invalid channel name 'a\nb'"},
      {"/events/a\xff", "400 Invalid channel name"},
      {std::string_view("/events/a\0b", 11), "400 Invalid channel name 'a"},
  };
  for (const auto& row : rows) {
    assert_text(complaint(get(row.path)).substr(0, std::string_view(row.wanted).size()), row.wanted);
  }
}
END_TEST

START_TEST(a_name_that_is_too_long_is_not_repeated) {
  const std::string longest = "/events/" + std::string(255, 'x');
  ck_assert_uint_eq(subscription(get(longest)).channels[0].size(), 255);
  assert_text(complaint(get(longest + 'x')), "400 Invalid channel name");
  assert_text(complaint(get("/events/" + std::string(1000000, 'x'))), "400 Invalid channel name");
}
END_TEST

START_TEST(an_operators_pattern_decides) {
  std::string error;
  const auto digits = NamePattern::compile("[0-9]+", error);
  RouteRules rules = open_rules();
  rules.names = digits.get();
  ck_assert_uint_eq(subscription(get("/events/1,22"), rules).channels.size(), 2);
  assert_text(complaint(get("/events/1,a"), rules), "400 Invalid channel name 'a'");
}
END_TEST

START_TEST(channels_have_a_limit_that_counts_each_once) {
  RouteRules rules = open_rules();
  rules.max_channels = 3;
  ck_assert_uint_eq(subscription(get("/events/a,b,c"), rules).channels.size(), 3);
  ck_assert_uint_eq(subscription(get("/events/a,a,a,a,b"), rules).channels.size(), 2);
  assert_text(complaint(get("/events/a,b,c,d"), rules), "400 Too many channels (at most 3)");
  assert_text(complaint(get("/events/a,b,c,d,!"), rules), "400 Too many channels (at most 3)");
}
END_TEST

START_TEST(the_third_segment_is_the_wait_id) {
  assert_text(subscription(get("/events/a/tab-1:x@y.z=+_")).wait_id, "tab-1:x@y.z=+_");
  const std::string longest(128, 'w');
  assert_text(subscription(get("/events/a/" + longest)).wait_id, longest);
}
END_TEST

START_TEST(an_empty_wait_id_counts_as_absent) {
  assert_text(subscription(get("/events/a/")).wait_id, "");
  assert_text(joined(subscription(get("/events/a,b/", "last_event_id=0")).channels), "a,b");
  assert_text(publication(request_for("POST", "/events/a/")).channel, "a");
}
END_TEST

START_TEST(bad_wait_ids_are_rejected) {
  for (const std::string& wait_id : {std::string(129, 'w'), std::string("a b"), std::string("a,b"), std::string("é"),
                                     std::string("a\n"), std::string("a\0b", 3), std::string("*")}) {
    assert_text(complaint(get("/events/a/" + wait_id)), "400 Invalid wait id", wait_id);
  }
}
END_TEST

START_TEST(methods_have_their_routes) {
  ck_assert(subscription(request_for("HEAD", "/events/a")).head_only);
  assert_text(publication(request_for("POST", "/events/a")).channel, "a");
  ck_assert(
      std::holds_alternative<PreflightAnswer>(route(request_for("OPTIONS", "/events/a"), open_rules(), kRouteTime)));
  for (const char* method : {"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "GETX", "", "PROPFIND"}) {
    assert_text(complaint(request_for(method, "/events/a")), "405 Method not allowed", method);
    assert_text(complaint(request_for(method, "/nowhere")), "404 Not found", method);
  }
}
END_TEST

START_TEST(head_is_a_poll) {
  Request request = request_for("HEAD", "/events/a", "flavor=eventsource");
  request.accept = "text/event-stream";
  ck_assert(subscription(request).flavor == Flavor::kPoll);
}
END_TEST

START_TEST(without_a_rule_every_request_is_rejected) {
  RouteRules rules = open_rules();
  rules.access.subscribe = "";
  rules.access.publish = "";
  assert_text(complaint(get("/events/a"), rules), "403 Not authorized for channel 'a'");
  assert_text(complaint(request_for("HEAD", "/events/a"), rules), "403 Not authorized for channel 'a'");
  assert_text(complaint(request_for("POST", "/events/a"), rules), "403 Not authorized for channel 'a'");
}
END_TEST

START_TEST(listening_and_publishing_are_granted_apart) {
  RouteRules rules = open_rules();
  rules.access.publish = "";
  ck_assert_uint_eq(subscription(get("/events/a"), rules).channels.size(), 1);
  assert_text(complaint(request_for("POST", "/events/a"), rules), "403 Not authorized for channel 'a'");
  rules.access.publish = "a";
  rules.access.subscribe = "";
  assert_text(publication(request_for("POST", "/events/a"), rules).channel, "a");
  assert_text(complaint(get("/events/a"), rules), "403 Not authorized for channel 'a'");
}
END_TEST

START_TEST(the_first_rejected_channel_of_the_request_is_named) {
  RouteRules rules = open_rules();
  rules.access.subscribe = "a b";
  assert_text(complaint(get("/events/a,z,b,c"), rules), "403 Not authorized for channel 'z'");
}
END_TEST

}  // namespace

int main() {
  return run("request_path", {
                                 a_get_of_a_channel_is_a_subscription,
                                 channels_are_sorted_and_each_comes_once,
                                 without_a_base_the_path_begins_anywhere_before_the_first_events,
                                 with_a_base_the_path_must_start_with_it,
                                 a_base_of_one_slash_is_a_base_too,
                                 a_base_may_contain_events,
                                 other_paths_are_not_found,
                                 a_channel_must_be_given,
                                 bad_channel_names_are_named,
                                 a_name_that_is_too_long_is_not_repeated,
                                 an_operators_pattern_decides,
                                 channels_have_a_limit_that_counts_each_once,
                                 the_third_segment_is_the_wait_id,
                                 an_empty_wait_id_counts_as_absent,
                                 bad_wait_ids_are_rejected,
                                 methods_have_their_routes,
                                 head_is_a_poll,
                                 without_a_rule_every_request_is_rejected,
                                 listening_and_publishing_are_granted_apart,
                                 the_first_rejected_channel_of_the_request_is_named,
                             });
}
