// Replies: the bytes of errors, poll answers, stream openings; and the client's errors for those of PostgreSQL.
#include "core/wire/reply.hpp"

#include <string>
#include <utility>

#include "checks.hpp"
#include "core/text/json_text.hpp"
#include "core/wire/sql_fault.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string headers_of(const std::vector<Header>& headers) {
  std::string text;
  for (const Header& header : headers) {
    text += header.name + ": " + header.value + '\n';
  }
  return text;
}

START_TEST(an_error_has_result_code_and_message) {
  const Reply reply = error_reply(make_error(400, "Invalid Last-Event-ID"));
  ck_assert_int_eq(reply.status, 400);
  assert_text(reply.body, R"({"result":"error","code":"BAD_REQUEST","msg":"Invalid Last-Event-ID"})");
  assert_text(headers_of(reply.headers), "Content-Type: application/json\nCache-Control: no-store\n");
}
END_TEST

START_TEST(every_status_has_its_code) {
  const struct {
    int status;
    const char* code;
  } rows[] = {
      {400, "BAD_REQUEST"},         {401, "UNAUTHORIZED"}, {403, "FORBIDDEN"},         {404, "NOT_FOUND"},
      {405, "METHOD_NOT_ALLOWED"},  {409, "CONFLICT"},     {413, "PAYLOAD_TOO_LARGE"}, {415, "UNSUPPORTED_MEDIA_TYPE"},
      {422, "UNPROCESSABLE"},       {425, "TOO_EARLY"},    {429, "TOO_MANY_REQUESTS"}, {500, "INTERNAL"},
      {503, "SERVICE_UNAVAILABLE"}, {418, "BAD_REQUEST"},  {599, "INTERNAL"}};
  for (const auto& row : rows) {
    assert_text(error_reply(make_error(row.status, "m")).body,
                std::string(R"({"result":"error","code":")") + row.code + R"(","msg":"m"})");
  }
}
END_TEST

START_TEST(further_members_of_an_error_follow_the_message) {
  Error error = make_error(400, "m");
  error.code = "INVALID_VAR";
  error.extra = R"("var_name":"op")";
  assert_text(error_reply(error).body, R"({"result":"error","code":"INVALID_VAR","msg":"m","var_name":"op"})");
}
END_TEST

START_TEST(a_message_cannot_break_out_of_the_json) {
  for (const char* msg : {R"(","admin":true,"x":")", "\\", "a\nb", "\xff\xfe", "\x01"}) {
    const std::string body = error_reply(make_error(400, msg)).body;
    assert_that(json_valid(body), body);
    int members = 0;
    json_members(body, [&members](const std::string&, std::string_view) { ++members; });
    ck_assert_int_eq(members, 3);
  }
}
END_TEST

START_TEST(method_not_allowed_lists_the_methods) {
  assert_text(headers_of(error_reply(method_not_allowed("GET, HEAD, POST")).headers),
              "Content-Type: application/json\nCache-Control: no-store\nAllow: GET, HEAD, POST, OPTIONS\n");
}
END_TEST

START_TEST(an_unavailable_database_is_a_503_with_retry_after) {
  const Reply reply = error_reply(database_away(5));
  ck_assert_int_eq(reply.status, 503);
  assert_text(reply.body, R"({"result":"error","code":"SERVICE_UNAVAILABLE","msg":"The database is not available"})");
  assert_text(headers_of(reply.headers), "Content-Type: application/json\nCache-Control: no-store\nRetry-After: 5\n");
}
END_TEST

START_TEST(a_raised_error_carries_status_message_and_code) {
  const Error error = error_from_sql("PT422", "Key was used before", R"({"code":"UNPROCESSABLE"})", 5);
  ck_assert_int_eq(error.status, 422);
  assert_text(error.msg, "Key was used before");
  assert_text(error.code, "UNPROCESSABLE");
  assert_text(error.extra, "");
  ck_assert_uint_eq(error.retry_after, 0);
}
END_TEST

START_TEST(further_members_of_the_detail_are_passed_on) {
  const Error error = error_from_sql(
      "PT400", "m", R"( {"var_name": "op", "code": "INVALID_VAR", "allowed": [1, 2], "msg": "no", "result": "no"} )",
      5);
  assert_text(error_reply(error).body,
              R"({"result":"error","code":"INVALID_VAR","msg":"m","var_name":"op","allowed":[1, 2]})");
}
END_TEST

START_TEST(a_detail_that_is_not_an_object_is_ignored) {
  for (const char* detail : {"", "Key (id)=(1) already exists.", "[1]", "{\"code\":", "{\"code\":5}", "null"}) {
    const std::string body = error_reply(error_from_sql("PT400", "m", detail, 5)).body;
    assert_text(body, R"({"result":"error","code":"BAD_REQUEST","msg":"m"})", detail);
  }
}
END_TEST

START_TEST(raised_429_and_503_say_when_to_come_back) {
  ck_assert_uint_eq(error_from_sql("PT429", "m", "", 7).retry_after, 7);
  ck_assert_uint_eq(error_from_sql("PT503", "m", "", 7).retry_after, 7);
  ck_assert_uint_eq(error_from_sql("PT429", "m", R"({"retry-after":42})", 7).retry_after, 42);
  ck_assert_uint_eq(error_from_sql("PT400", "m", R"({"retry-after":42})", 7).retry_after, 0);
  for (const char* odd : {R"({"retry-after":"x"})", R"({"retry-after":-1})", R"({"retry-after":99999999999})"}) {
    ck_assert_uint_eq(error_from_sql("PT429", "m", odd, 7).retry_after, 7);
  }
}
END_TEST

START_TEST(connection_resource_and_operator_errors_mean_that_the_database_is_away) {
  for (const char* sqlstate : {"08006", "08001", "53300", "53100", "57P01", "57P03", "57014"}) {
    const Error error = error_from_sql(sqlstate, "terminating connection due to administrator command", "", 5);
    assert_that(error.status == 503 && error.retry_after == 5, sqlstate);
    assert_text(error.msg, "The database is not available");
  }
}
END_TEST

START_TEST(other_errors_are_a_500_and_keep_their_text_to_themselves) {
  for (const char* sqlstate :
       {"42501", "42883", "XX000", "22P02", "P0001", "PT200", "PT000", "PT999", "PT39x", "PT4", "PT4000", "", "0"}) {
    const Reply reply = error_reply(error_from_sql(sqlstate, "secret table", R"({"code":"SECRET"})", 5));
    assert_that(reply.status == 500, sqlstate);
    assert_text(reply.body, R"({"result":"error","code":"INTERNAL","msg":"Internal error"})");
  }
}
END_TEST

START_TEST(a_poll_answer_has_the_next_cursor_and_the_time_to_wait) {
  const struct {
    PollKind kind;
    const char* reconnect;
    const char* info;
  } rows[] = {{PollKind::kWaited, "0", nullptr},
              {PollKind::kRequested, "5", "requested"},
              {PollKind::kWaitIdBusy, "5", "wait-id-busy"},
              {PollKind::kFallback, "5", "fallback"},
              {PollKind::kClosing, "0", "closing"}};
  for (const auto& row : rows) {
    const Reply reply = poll_reply("[]", 434, row.kind, 5);
    std::string wanted = "Content-Type: application/json\nCache-Control: no-store\nX-PS-Reconnect-In: ";
    wanted += std::string(row.reconnect) + "\nLast-Event-ID: 434\n";
    if (row.info != nullptr) {
      wanted += std::string("X-Shortpoll-Info: ") + row.info + '\n';
    }
    ck_assert_int_eq(reply.status, 200);
    assert_text(reply.body, "[]");
    assert_text(headers_of(reply.headers), wanted);
  }
}
END_TEST

START_TEST(a_stream_opens_with_retry_and_cursor) {
  assert_text(stream_opening(2000, 434), "retry: 2000\nevent: pgevents.cursor\ndata:\nid: 434\n\n");
  assert_text(stream_cursor(435), "event: pgevents.cursor\ndata:\nid: 435\n\n");
  assert_text(headers_of(stream_headers()),
              "Content-Type: text/event-stream\nCache-Control: no-store\nX-Accel-Buffering: no\n");
}
END_TEST

START_TEST(options_names_the_methods_without_a_body) {
  const Reply reply = options_reply("PATCH", {});
  ck_assert_int_eq(reply.status, 204);
  assert_text(reply.body, "");
  assert_text(headers_of(reply.headers), "Allow: PATCH, OPTIONS\n");
  assert_text(headers_of(options_reply("GET, HEAD, POST", {{"X", "y"}}).headers),
              "Allow: GET, HEAD, POST, OPTIONS\nX: y\n");
}
END_TEST

START_TEST(a_challenge_asks_for_a_token) {
  Error error = make_error(401, "Invalid token");
  error.challenge = "Bearer";
  const Reply reply = error_reply(error);
  assert_text(reply.body, R"({"result":"error","code":"UNAUTHORIZED","msg":"Invalid token"})");
  assert_text(headers_of(reply.headers),
              "Content-Type: application/json\nCache-Control: no-store\nWWW-Authenticate: Bearer\n");
}
END_TEST

START_TEST(an_expired_stream_ends_with_its_cursor) {
  assert_text(stream_expired("7", "expired", false, "a", 1500000),
              "event: pgevents.expired\ndata: {\"reason\":\"expired\"}\nid: 7\n\n");
  assert_text(
      stream_expired("7", "revoked", true, "a", 1500000),
      "event: pgevents.expired\ndata: "
      R"({"id":7,"channel_id":"a","ts":1.500000,"data":{"type":"pgevents.expired","data":{"reason":"revoked"}}})"
      "\nid: 7\n\n");
  assert_text(
      stream_expired("rt-1.5", "revoked", true, "a", 1500000),
      "event: pgevents.expired\ndata: "
      R"({"id":"rt-1.5","channel_id":"a","ts":1.500000,"data":{"type":"pgevents.expired","data":{"reason":"revoked"}}})"
      "\nid: rt-1.5\n\n");
}
END_TEST

START_TEST(a_stream_that_cannot_be_served_yet_keeps_its_cursor) {
  const struct {
    Cursor asked;
    const char* id;
  } rows[] = {
      {{Cursor::Kind::kNow, 0, 0}, "rt-1406125517"},
      {{Cursor::Kind::kId, 434, 0}, "434"},
      {{Cursor::Kind::kId, 0, 0}, "0"},
      {{Cursor::Kind::kTime, 0, 1406125000000000}, "rt-1406125000"},
      {{Cursor::Kind::kTime, 0, 1406125000000120}, "rt-1406125000.000120"},
  };
  for (const auto& row : rows) {
    assert_text(
        stream_waiting(4711, fixed_start(row.asked, 1406125522.481)),
        std::string(": waiting for the database\nretry: 4711\nevent: pgevents.cursor\ndata:\nid: ") + row.id + "\n\n");
  }
}
END_TEST

START_TEST(the_time_to_reconnect_is_spread) {
  ck_assert_uint_eq(spread_retry(2000, 5, 0), 2000);
  ck_assert_uint_eq(spread_retry(2000, 5, 8000), 10000);
  ck_assert_uint_eq(spread_retry(2000, 5, 8001), 2000);
  ck_assert_uint_eq(spread_retry(0, 5, 17), 0);
  ck_assert_uint_eq(spread_retry(UINT32_MAX, 5, UINT32_MAX), UINT32_MAX);
}
END_TEST

START_TEST(an_expired_poll_may_come_back_at_once) {
  const Reply reply = poll_reply("[]", 7, PollKind::kExpired, 5);
  assert_text(headers_of(reply.headers),
              "Content-Type: application/json\nCache-Control: no-store\nX-PS-Reconnect-In: 0\nLast-Event-ID: 7\n"
              "X-Shortpoll-Info: expired\n");
}
END_TEST

START_TEST(a_publication_is_answered_with_its_id) {
  const Reply reply = publish_reply(R"({"id": 9223372036854775807, "result": "success"})");
  ck_assert_int_eq(reply.status, 201);
  assert_text(reply.body, R"({"result":"success","id":9223372036854775807})");
  assert_text(headers_of(reply.headers), "Content-Type: application/json\nCache-Control: no-store\n");
}
END_TEST

START_TEST(a_publication_without_id_is_an_internal_error) {
  for (const char* result : {"", "null", "{}", R"({"id":"1"})", R"({"id":null})"}) {
    assert_that(publish_reply(result).status == 500, result);
  }
}
END_TEST

}  // namespace

int main() {
  return run("reply", {
                          an_error_has_result_code_and_message,
                          every_status_has_its_code,
                          further_members_of_an_error_follow_the_message,
                          a_message_cannot_break_out_of_the_json,
                          method_not_allowed_lists_the_methods,
                          an_unavailable_database_is_a_503_with_retry_after,
                          a_raised_error_carries_status_message_and_code,
                          further_members_of_the_detail_are_passed_on,
                          a_detail_that_is_not_an_object_is_ignored,
                          raised_429_and_503_say_when_to_come_back,
                          connection_resource_and_operator_errors_mean_that_the_database_is_away,
                          other_errors_are_a_500_and_keep_their_text_to_themselves,
                          a_poll_answer_has_the_next_cursor_and_the_time_to_wait,
                          a_stream_opens_with_retry_and_cursor,
                          options_names_the_methods_without_a_body,
                          a_challenge_asks_for_a_token,
                          an_expired_stream_ends_with_its_cursor,
                          a_stream_that_cannot_be_served_yet_keeps_its_cursor,
                          the_time_to_reconnect_is_spread,
                          an_expired_poll_may_come_back_at_once,
                          a_publication_is_answered_with_its_id,
                          a_publication_without_id_is_an_internal_error,
                      });
}
