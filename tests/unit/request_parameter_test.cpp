// Headers and query of a subscription: cursor, flavour, filter, envelope, timeout.
#include <cmath>
#include <string>

#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kPath[] = "/events/a";

START_TEST(the_cursor_comes_from_the_query_under_three_names) {
  for (const char* query :
       {"last_event_id=7", "lastEventId=7", "lastEventID=7", "x=1&lastEventID=7&y", "last_event_id=%37"}) {
    const Subscription wanted = subscription(get(kPath, query));
    assert_that(wanted.cursor.kind == Cursor::Kind::kId && wanted.cursor.id == 7, query);
  }
  ck_assert(subscription(get(kPath, "last_event_id=rt-5.5")).cursor.time_us == 5500000);
}
END_TEST

// Of several cursors the one that a client's library adds counts.
START_TEST(the_librarys_cursor_counts_among_several) {
  const struct {
    const char* header;
    const char* query;
    std::uint64_t wanted;
  } rows[] = {
      {"9", "last_event_id=7", 9},
      {"9", "last_event_id=nonsense", 9},
      {"", "last_event_id=7", 7},
      {"", "last_event_id=7&lastEventId=8", 8},
      {"", "lastEventId=8&last_event_id=7", 8},
      {"", "last_event_id=7&lastEventID=8", 8},
      {"", "lastEventID=8&lastEventId=9", 9},
      {"", "last_event_id=nonsense&lastEventId=8", 8},
      // Old polyfills append theirs at each reconnection.
      {"", "lastEventId=1&lastEventId=2&lastEventId=3", 3},
      {"", "last_event_id=1&last_event_id=2", 2},
      {"", "last_event_id=nonsense&last_event_id=2", 2},
      // An empty one counts as absent.
      {"", "last_event_id=7&lastEventId=", 7},
      {"", "lastEventId=&last_event_id=7", 7},
      {"", "last_event_id=5&last_event_id=", 5},
      {"", "last_event_id=&last_event_id=5&last_event_id=6", 6},
  };
  for (const auto& row : rows) {
    Request request = get(kPath, row.query);
    request.last_event_id = row.header;
    const Cursor cursor = subscription(request).cursor;
    assert_that(cursor.kind == Cursor::Kind::kId && cursor.id == row.wanted, row.query);
  }
  ck_assert(subscription(get(kPath, "last_event_id=&lastEventId=&lastEventID=")).cursor.kind == Cursor::Kind::kNow);
}
END_TEST

START_TEST(any_other_known_parameter_is_given_once) {
  const struct {
    const char* query;
    const char* name;
  } rows[] = {
      {"flavor=poll&flavor=poll", "flavor"}, {"flavor=&flavor=poll", "flavor"},
      {"types=a&types=b", "types"},          {"not_types=a&x&not_types=", "not_types"},
      {"envelope=1&envelope=0", "envelope"}, {"timeout=1&timeout=1", "timeout"},
      {"timeou%74=1&timeout=1", "timeout"},  {"access_token=a&access_token=b", "access_token"},
  };
  for (const auto& row : rows) {
    assert_text(complaint(get(kPath, row.query)), std::string("400 Parameter '") + row.name + "' is given twice",
                row.query);
  }
  ck_assert_uint_eq(subscription(get(kPath, "_=1&_=2&x=1&x=1&last=1&last=2")).channels.size(), 1);
}
END_TEST

START_TEST(a_query_has_64_parameters_at_most) {
  std::string query = "last_event_id=5";
  for (int i = 1; i < 64; ++i) {
    query += "&_=1";
  }
  ck_assert_uint_eq(subscription(get(kPath, query)).cursor.id, 5);
  assert_text(complaint(get(kPath, query + "&_=1")), "400 Too many parameters in the query (at most 64)");
}
END_TEST

START_TEST(a_bad_cursor_is_rejected_wherever_it_is) {
  Request request = get(kPath);
  request.last_event_id = "-1";
  assert_text(complaint(request), "400 Invalid Last-Event-ID");
  assert_text(complaint(get(kPath, "lastEventId=1%20")), "400 Invalid Last-Event-ID");
  assert_text(complaint(get(kPath, "last_event_id=9223372036854775808")), "400 Invalid Last-Event-ID");
}
END_TEST

START_TEST(accept_chooses_the_event_stream) {
  for (const char* accept : {"text/event-stream", "TEXT/Event-Stream", "application/json, text/event-stream",
                             "text/event-stream;q=0.9, */*", " text/event-stream ; charset=utf-8 "}) {
    Request request = get(kPath);
    request.accept = accept;
    assert_that(subscription(request).flavor == Flavor::kEventSource, accept);
  }
  for (const char* accept :
       {"", "*/*", "text/*", "text/event-streams", "application/json", ",", ";", "text/event stream"}) {
    Request request = get(kPath);
    request.accept = accept;
    assert_that(subscription(request).flavor == Flavor::kLongPoll, accept);
  }
}
END_TEST

START_TEST(a_flavor_wins_over_accept_and_its_header_over_the_query) {
  Request request = get(kPath, "flavor=long-poll");
  request.accept = "text/event-stream";
  ck_assert(subscription(request).flavor == Flavor::kLongPoll);
  request.flavor = "poll";
  ck_assert(subscription(request).flavor == Flavor::kPoll);
  ck_assert(subscription(get(kPath, "flavor=eventsource")).flavor == Flavor::kEventSource);
  ck_assert(subscription(get(kPath, "flavor=poll")).flavor == Flavor::kPoll);
  ck_assert(subscription(get(kPath, "flavor=")).flavor == Flavor::kLongPoll);
}
END_TEST

START_TEST(unknown_flavors_are_rejected) {
  assert_text(complaint(get(kPath, "flavor=websocket")), "400 Unknown flavor 'websocket'");
  assert_text(complaint(get(kPath, "flavor=Poll")), "400 Unknown flavor 'Poll'");
  Request request = get(kPath);
  request.flavor = "\xff";
  assert_text(complaint(request), "400 Unknown flavor");
}
END_TEST

START_TEST(types_and_not_types_make_the_filter) {
  const TypeFilter only = subscription(get(kPath, "types=a,b")).filter;
  ck_assert(!only.exclude);
  assert_text(joined(only.types), "a,b");
  const TypeFilter but = subscription(get(kPath, "not_types=typing")).filter;
  ck_assert(but.exclude);
  assert_text(joined(but.types), "typing");
  ck_assert(subscription(get(kPath, "types=&not_types=")).filter.passes_all());
  assert_text(joined(subscription(get(kPath, "types=a%2Cb,c%2Bd,e+f,g%C3%A9")).filter.types), "a,b,c+d,e f,gé");
}
END_TEST

START_TEST(bad_filters_are_rejected) {
  assert_text(complaint(get(kPath, "types=a&not_types=b")), "400 Give either types or not_types");
  for (const char* query : {"types=a,,b", "types=,", "types=a%0Ab", "not_types=a%7F", "types=%00"}) {
    assert_text(complaint(get(kPath, query)), "400 Invalid event type", query);
  }
  assert_text(complaint(get(kPath, "types=" + std::string(256, 't'))), "400 Invalid event type");
  std::string many = "types=t";
  for (int i = 1; i < 64; ++i) {
    many += ",t";
  }
  ck_assert_uint_eq(subscription(get(kPath, many)).filter.types.size(), 64);
  assert_text(complaint(get(kPath, many + ",t")), "400 Too many event types (at most 64)");
}
END_TEST

START_TEST(the_envelope_is_1_or_0) {
  ck_assert(subscription(get(kPath, "envelope=1")).envelope);
  ck_assert(!subscription(get(kPath, "envelope=0")).envelope);
  ck_assert(!subscription(get(kPath, "envelope=")).envelope);
  for (const char* query : {"envelope=2", "envelope=true", "envelope=01", "envelope=%31%30"}) {
    assert_text(complaint(get(kPath, query)), "400 Invalid envelope (0 or 1)", query);
  }
}
END_TEST

START_TEST(the_timeout_is_a_number_of_seconds) {
  const struct {
    const char* query;
    double wanted;
  } rows[] = {{"timeout=0", 0}, {"timeout=25", 25}, {"timeout=0.5", 0.5}, {"timeout=1.250", 1.25}, {"timeout=007", 7}};
  for (const auto& row : rows) {
    const auto timeout = subscription(get(kPath, row.query)).timeout;
    assert_that(timeout && *timeout == row.wanted, row.query);
  }
  ck_assert(!subscription(get(kPath, "timeout=")).timeout);
  const auto huge = subscription(get(kPath, "timeout=" + std::string(400, '9'))).timeout;
  ck_assert(huge && *huge > 1e300 && std::isfinite(*huge));
  const auto tiny = subscription(get(kPath, "timeout=0." + std::string(400, '0') + "1")).timeout;
  ck_assert(tiny && *tiny < 1e-9);
  const auto long_fraction = subscription(get(kPath, "timeout=2.5" + std::string(400, '0'))).timeout;
  ck_assert(long_fraction && *long_fraction == 2.5);
}
END_TEST

START_TEST(bad_timeouts_are_rejected) {
  for (const char* query :
       {"timeout=-1", "timeout=%2B1", "timeout=1e3", "timeout=inf", "timeout=nan", "timeout=0x10", "timeout=1s",
        "timeout=.5", "timeout=+1", "timeout=1,5", "timeout=1.5.5", "timeout=abc", "timeout=-0"}) {
    assert_text(complaint(get(kPath, query)), "400 Invalid timeout", query);
  }
}
END_TEST

START_TEST(unknown_parameters_are_ignored_but_not_bad_encoding) {
  ck_assert_uint_eq(subscription(get(kPath, "_=123&utm=x&types[]=a&=&&foo")).channels.size(), 1);
  for (const char* query : {"%", "a=%zz", "last_event_id=%4", "types=%ff", "\xff=1"}) {
    assert_text(complaint(get(kPath, query)), "400 Invalid encoding in the query", query);
  }
}
END_TEST

START_TEST(access_is_checked_before_parameters) {
  RouteRules rules = open_rules();
  rules.access.subscribe = "b";
  assert_text(complaint(get(kPath, "timeout=x"), rules), "403 Not authorized for channel 'a'");
}
END_TEST

}  // namespace

int main() {
  return run("request_parameter", {
                                      the_cursor_comes_from_the_query_under_three_names,
                                      the_librarys_cursor_counts_among_several,
                                      any_other_known_parameter_is_given_once,
                                      a_query_has_64_parameters_at_most,
                                      a_bad_cursor_is_rejected_wherever_it_is,
                                      accept_chooses_the_event_stream,
                                      a_flavor_wins_over_accept_and_its_header_over_the_query,
                                      unknown_flavors_are_rejected,
                                      types_and_not_types_make_the_filter,
                                      bad_filters_are_rejected,
                                      the_envelope_is_1_or_0,
                                      the_timeout_is_a_number_of_seconds,
                                      bad_timeouts_are_rejected,
                                      unknown_parameters_are_ignored_but_not_bad_encoding,
                                      access_is_checked_before_parameters,
                                  });
}
