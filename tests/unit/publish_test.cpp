// Publications: their route, and the result for JSON bodies and forms.
#include <string>

#include "core/text/json_text.hpp"
#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

Request post(std::string_view path, std::string_view content_type = "") {
  Request request = request_for("POST", path);
  request.content_type = content_type;
  return request;
}

// The JSON text for the database, or `status message`.
std::string converted(std::string_view body, bool form = false) {
  Publication wanted;
  wanted.form = form;
  std::string json;
  const auto error = publish_body(wanted, body, default_names(), json);
  return error ? std::to_string(error->status) + ' ' + error->msg : json;
}

std::string from_form(std::string_view body) {
  return converted(body, true);
}

START_TEST(a_post_publishes_to_exactly_one_channel) {
  assert_text(publication(post("/rt/events/a")).channel, "a");
  assert_text(publication(post("/events/a,a")).channel, "a");
  assert_text(complaint(post("/events/a,b")), "400 Publish to exactly one channel");
  assert_text(complaint(post("/events/")), "400 No channel given");
  assert_text(complaint(post("/events/a b")), "400 Invalid channel name 'a b'");
  assert_text(complaint(post("/events/a/tab1")), "400 A wait id makes no sense when publishing");
}
END_TEST

START_TEST(bodies_are_json_or_forms) {
  for (const char* type : {"", "application/json", "Application/JSON; charset=utf-8", " application/json "}) {
    assert_that(!publication(post("/events/a", type)).form, type);
  }
  for (const char* type : {"application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=UTF-8"}) {
    assert_that(publication(post("/events/a", type)).form, type);
  }
  for (const char* type : {"text/plain", "multipart/form-data; boundary=x", "application/jsonx", "json",
                           "application/x-www-form-urlencoded, application/json"}) {
    assert_text(complaint(post("/events/a", type)), "415 Publish application/json or application/x-www-form-urlencoded",
                type);
  }
}
END_TEST

START_TEST(an_idempotency_key_has_1_to_255_plain_bytes) {
  Request request = post("/events/a");
  for (const std::string& key : {std::string(), std::string("3f2b"), std::string(255, 'k'), std::string("\"a b\" é")}) {
    request.idempotency_key = key;
    assert_text(publication(request).idempotency_key, key);
  }
  for (const std::string& key : {std::string(256, 'k'), std::string("a\tb"), std::string("\xff")}) {
    request.idempotency_key = key;
    assert_text(complaint(request), "400 Invalid Idempotency-Key", key);
  }
}
END_TEST

START_TEST(a_json_body_is_passed_on_byte_by_byte) {
  for (const char* body :
       {R"({"type":"t"})", R"( { "data" : {"b":1.500,"a":"\u0000\ud800"} , "type":"t","ttl":60 } )",
        R"({"type":"a\u0062","data":12345678901234567890123})", R"({"type":"t","ttl":null,"data":[1]})"}) {
    assert_text(converted(body), body);
  }
}
END_TEST

START_TEST(bodies_that_are_not_json_are_rejected) {
  for (const char* body : {"", " ", "{", "{\"type\":\"t\",}", "type=t", "{\"type\":\"t\"}x", "{\"type\":\"\xff\"}",
                           "{'type':'t'}", "{\"type\":\"t\",\"data\":NaN}"}) {
    assert_text(converted(body), "400 The body is not valid JSON", body);
  }
  const std::string deep = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  assert_text(converted("{\"type\":\"t\",\"data\":" + deep + "}"), "400 The body is not valid JSON");
}
END_TEST

START_TEST(a_body_must_be_an_object) {
  for (const char* body : {"[]", "1", "null", "\"t\"", R"([{"type":"t"}])"}) {
    assert_text(converted(body), "400 The body must be a JSON object", body);
  }
}
END_TEST

START_TEST(event_types_must_match_the_pattern) {
  for (const char* body : {"{}", R"({"type":1})", R"({"type":null})", R"({"type":""})", R"({"type":"a b"})",
                           R"({"type":"a\nid: 7"})", R"({"type":"a\rb"})", R"({"type":"\u0000"})", R"({"type":"é"})",
                           R"({"type":"\ud800"})", R"({"type":["t"]})", R"({"data":{"type":"t"}})"}) {
    assert_text(converted(body), "400 Invalid event type", body);
  }
  assert_text(converted(R"({"type":")" + std::string(256, 't') + "\"}"), "400 Invalid event type");
}
END_TEST

START_TEST(types_of_pgevents_itself_cannot_be_published) {
  for (const char* body : {R"({"type":"pgevents.reset"})", R"({"type":"pgevent\u0073.x"})"}) {
    assert_text(converted(body), "400 Event types that start with 'pgevents.' are reserved", body);
  }
  assert_text(converted(R"({"type":"pgevents"})"), R"({"type":"pgevents"})");
}
END_TEST

START_TEST(a_member_may_not_be_given_twice) {
  assert_text(converted(R"({"type":"good","type":"bad type"})"), "400 Member 'type' is given twice");
  assert_text(converted(R"({"type":"t","\u0064ata":1,"data":2})"), "400 Member 'data' is given twice");
  assert_text(converted(R"({"type":"t","ttl":1,"ttl":2})"), "400 Member 'ttl' is given twice");
}
END_TEST

// Otherwise a misspelt member would silently lose the data.
START_TEST(an_unknown_member_is_rejected_and_named) {
  const struct {
    const char* body;
    const char* wanted;
  } rows[] = {
      {R"({"type":"t","pieces":92})", "Member 'pieces' is unknown: a publication has type, data and ttl"},
      {R"({"type":"t","Data":1})", "Member 'Data' is unknown: a publication has type, data and ttl"},
      {R"({"type":"t","data ":1})", "Member 'data ' is unknown: a publication has type, data and ttl"},
      {R"({"":1,"type":"t"})", "Member '' is unknown: a publication has type, data and ttl"},
      {R"({"x":1,"x":2,"type":"t"})", "Member 'x' is unknown: a publication has type, data and ttl"},
      {R"({"type":"t","d\u00e4ta":1})", "Member 'däta' is unknown: a publication has type, data and ttl"},
      {R"({"type":"t","\ud800":1})", "Member '\"\\ud800\"' is unknown: a publication has type, data and ttl"},
  };
  for (const auto& row : rows) {
    assert_text(converted(row.body), std::string("400 ") + row.wanted, row.body);
  }
  assert_text(converted(R"({"type":"t",")" + std::string(41, 'n') + R"(":1})"),
              "400 Member is unknown: a publication has type, data and ttl");
  assert_text(from_form("type=t&pieces=92"), "400 Field 'pieces' is unknown: a publication has type, data and ttl");
  assert_text(from_form("type=t&data=1&"), R"({"type":"t","data":1})");
  assert_text(converted(R"({"type":"t","data":{"pieces":92,"pieces":93}})"),
              R"({"type":"t","data":{"pieces":92,"pieces":93}})");
}
END_TEST

START_TEST(types_of_an_event_sources_own_events_cannot_be_published) {
  for (const char* type : {"error", "open"}) {
    const std::string wanted =
        std::string("400 Event type '") + type + "' is reserved: an EventSource would take it for its own event";
    assert_text(converted(std::string(R"({"type":")") + type + "\"}"), wanted);
    assert_text(from_form(std::string("type=") + type), wanted);
  }
  assert_text(converted(R"({"type":"\u006fpen"})"),
              "400 Event type 'open' is reserved: an EventSource would take it for its own event");
  for (const char* type : {"message", "errors", "Error", "open.x", "close"}) {
    const std::string body = std::string(R"({"type":")") + type + "\"}";
    assert_text(converted(body), body);
  }
}
END_TEST

START_TEST(a_ttl_is_a_number) {
  for (const char* ttl : {"\"60\"", "true", "[60]", "{}"}) {
    assert_text(converted(std::string(R"({"type":"t","ttl":)") + ttl + "}"), "400 Invalid ttl", ttl);
  }
}
END_TEST

START_TEST(a_form_becomes_json) {
  const struct {
    const char* form;
    const char* wanted;
  } rows[] = {
      {"type=t", R"({"type":"t"})"},
      {"type=t&data=%7B%22a%22%3A1%7D&ttl=60", R"({"type":"t","data":{"a":1},"ttl":60})"},
      {"ttl=1.5&data=%22a+b%22&type=t", R"({"type":"t","data":"a b","ttl":1.5})"},
      {"type=t&data=&ttl=", R"({"type":"t"})"},
      {"type=a%2Bb&data=12345678901234567890.10", R"({"type":"a+b","data":12345678901234567890.10})"},
  };
  for (const auto& row : rows) {
    assert_text(from_form(row.form), row.wanted);
  }
}
END_TEST

START_TEST(form_fields_cannot_smuggle_members) {
  const struct {
    const char* form;
    const char* wanted;
  } rows[] = {
      {"type=t&data=1%2C%22ttl%22%3A5", "400 Field 'data' is not valid JSON"},
      {"type=t&data=1%7D", "400 Field 'data' is not valid JSON"},
      {"type=t&data=text", "400 Field 'data' is not valid JSON"},
      {"type=t&ttl=5%2C%22data%22%3A1", "400 Invalid ttl"},
      {"type=t&ttl=soon", "400 Invalid ttl"},
      {"type=t&ttl=null", "400 Invalid ttl"},
      {"type=t%22%2C%22data%22%3A%221", "400 Invalid event type"},
      {"type=a%0D%0Aid%3A+7", "400 Invalid event type"},
      {"type=pgevents.reset", "400 Event types that start with 'pgevents.' are reserved"},
      {"type=t&type=u", "400 Field 'type' is given twice"},
      {"type=t&data=1&data=2", "400 Field 'data' is given twice"},
      {"data=1", "400 Invalid event type"},
      {"type=", "400 Invalid event type"},
      {"", "400 Invalid event type"},
      {"type=%zz", "400 Invalid encoding in the form"},
      {"type=%ff", "400 Invalid encoding in the form"},
  };
  for (const auto& row : rows) {
    assert_text(from_form(row.form), row.wanted, row.form);
  }
}
END_TEST

}  // namespace

int main() {
  return run("publish", {
                            a_post_publishes_to_exactly_one_channel,
                            bodies_are_json_or_forms,
                            an_idempotency_key_has_1_to_255_plain_bytes,
                            a_json_body_is_passed_on_byte_by_byte,
                            bodies_that_are_not_json_are_rejected,
                            a_body_must_be_an_object,
                            event_types_must_match_the_pattern,
                            types_of_pgevents_itself_cannot_be_published,
                            types_of_an_event_sources_own_events_cannot_be_published,
                            a_member_may_not_be_given_twice,
                            an_unknown_member_is_rejected_and_named,
                            a_ttl_is_a_number,
                            a_form_becomes_json,
                            form_fields_cannot_smuggle_members,
                        });
}
