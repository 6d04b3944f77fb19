// Requests about presence, typing and settings: paths, methods, access, parameters, answers.
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "core/text/json_text.hpp"
#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

RouteRules user_rules(std::string_view user = "10") {
  RouteRules rules;
  rules.names = &default_names();
  rules.access.user = user;
  return rules;
}

struct Way {
  const char* method;
  const char* path;
  Endpoint endpoint;
};

constexpr Way kWays[] = {
    {"POST", "/register", Endpoint::kRegister},
    {"POST", "/users/me/presence", Endpoint::kReportPresence},
    {"GET", "/users/11/presence", Endpoint::kUserPresence},
    {"HEAD", "/users/11/presence", Endpoint::kUserPresence},
    {"GET", "/users/me/presence", Endpoint::kUserPresence},
    {"GET", "/realm/presence", Endpoint::kRealmPresence},
    {"POST", "/typing", Endpoint::kTyping},
    {"PATCH", "/settings", Endpoint::kSettings},
};

// `params` of a call, or the error.
std::string params_of(const Call& call, std::string_view body = "") {
  std::string params;
  const auto error = call_params(call, body, params);
  return error ? std::to_string(error->status) + ' ' + error->msg : params;
}

Call body_call(bool form) {
  Call call;
  call.has_body = true;
  call.form = form;
  return call;
}

START_TEST(each_path_and_method_has_its_function) {
  for (const Way& way : kWays) {
    const Call call = call_of(request_for(way.method, way.path), user_rules());
    assert_that(call.endpoint == way.endpoint, way.path);
    assert_text(call.session.identity.user, "10");
    assert_text(call.session.identity.realm, "main");
    ck_assert(call.head_only == (std::string(way.method) == "HEAD"));
    ck_assert(call.has_body == (std::string(way.method) == "POST" || std::string(way.method) == "PATCH"));
  }
}
END_TEST

START_TEST(only_typing_is_not_repeated) {
  for (const Way& way : kWays) {
    ck_assert(call_is_repeatable(way.endpoint) == (way.endpoint != Endpoint::kTyping));
  }
}
END_TEST

START_TEST(a_base_stands_in_front) {
  RouteRules rules = user_rules();
  rules.base = "/rt/";
  call_of(request_for("POST", "/rt/typing"), rules);
  assert_text(complaint(request_for("POST", "/typing"), rules), "404 Not found");
  assert_text(complaint(request_for("POST", "/rt/x/typing"), rules), "404 Not found");
  call_of(request_for("POST", "/any/where/typing"), user_rules());
}
END_TEST

START_TEST(a_channel_may_have_an_endpoints_name) {
  RouteRules rules = user_rules();
  rules.access.subscribe = "*";
  for (const char* path : {"/events/typing", "/events/realm/presence"}) {
    subscription(get(path), rules);
  }
}
END_TEST

START_TEST(other_paths_are_not_found) {
  for (const char* path :
       {"/users/presence", "/users//presence", "/users/10", "/users/10/presence/", "/users/10/presence/x", "/realm",
        "/realm/presence/", "/typing/", "/Typing", "/register/me", "/settings.json"}) {
    assert_text(complaint(get(path), user_rules()), "404 Not found", path);
  }
}
END_TEST

START_TEST(other_methods_are_rejected_with_the_right_ones) {
  const struct {
    const char* path;
    const char* bad;
    const char* allow;
  } rows[] = {
      {"/register", "GET", "POST, OPTIONS"},
      {"/typing", "PATCH", "POST, OPTIONS"},
      {"/settings", "POST", "PATCH, OPTIONS"},
      {"/settings", "", "PATCH, OPTIONS"},
      {"/realm/presence", "POST", "GET, HEAD, OPTIONS"},
      {"/realm/presence", "", "GET, HEAD, OPTIONS"},
      {"/users/11/presence", "POST", "GET, HEAD, OPTIONS"},
      {"/users/me/presence", "DELETE", "GET, HEAD, POST, OPTIONS"},
  };
  for (const auto& row : rows) {
    const Route result = route(request_for(row.bad, row.path), user_rules(), kRouteTime);
    assert_text(complaint(result), "405 Method not allowed", row.path);
    assert_text(std::get<Error>(result).allow, row.allow, row.path);
  }
}
END_TEST

START_TEST(options_names_the_methods_of_the_path) {
  const Route result = route(request_for("OPTIONS", "/settings"), {}, kRouteTime);
  assert_text(std::get<PreflightAnswer>(result).methods, "PATCH");
}
END_TEST

START_TEST(a_caller_without_a_user_is_rejected) {
  RouteRules rules = user_rules("");
  rules.access.subscribe = "*";
  rules.access.publish = "*";
  for (const Way& way : kWays) {
    const Route result = route(request_for(way.method, way.path), rules, kRouteTime);
    assert_text(complaint(result), "401 Authentication required", way.path);
    assert_text(std::get<Error>(result).challenge, "", "no token would help");
  }
}
END_TEST

START_TEST(a_foreign_page_changes_nothing) {
  for (const Way& way : kWays) {
    Request request = request_for(way.method, way.path);
    request.sec_fetch_site = "cross-site";
    const bool reads = request.method == "GET" || request.method == "HEAD";
    assert_text(complaint(request, user_rules()), reads ? "" : "403 Not authorized from this origin", way.path);
  }
}
END_TEST

START_TEST(the_user_of_the_path_is_a_parameter) {
  const Call other = call_of(get("/users/a@b.c/presence", "slim_presence=true"), user_rules());
  assert_text(params_of(other), R"({"user_id":"a@b.c","slim_presence":"true"})");
  assert_text(params_of(call_of(get("/users/me/presence"), user_rules())), R"({"user_id":"10"})");
  for (const std::string& user :
       {std::string("a\nb"), std::string("a\0b", 3), std::string("\xff"), std::string(256, 'x')}) {
    assert_text(complaint(get("/users/" + user + "/presence"), user_rules()), "400 No such user");
  }
}
END_TEST

START_TEST(a_query_cannot_name_another_user) {
  const Call call = call_of(get("/users/11/presence", "user_id=12"), user_rules());
  assert_text(params_of(call), "400 Parameter 'user_id' is given twice");
}
END_TEST

START_TEST(parameters_come_as_form) {
  const Call call = body_call(true);
  assert_text(params_of(call, "op=start&to=%5B8%2C10%5D&x"), R"({"op":"start","to":"[8,10]","x":""})");
  assert_text(params_of(call, "a%22b=%C3%A4%5C"), R"({"a\"b":"ä\\"})");
  assert_text(params_of(call, ""), "{}");
  assert_text(params_of(call, "op=start&op=stop"), "400 Parameter 'op' is given twice");
  assert_text(params_of(call, "op=%zz"), "400 Invalid encoding in the form");
  assert_text(params_of(call, "op=%ff"), "400 Invalid encoding in the form");
  assert_text(params_of(call, "op=%00"), "400 A NUL character in the form");
}
END_TEST

START_TEST(parameters_come_as_json) {
  const Call call = body_call(false);
  assert_text(params_of(call, R"( { "op" : "start", "to" : [ 8, "10" ], "x" : null, "y" : 1.5 } )"),
              R"({"op":"start","to":[8,"10"],"x":null,"y":1.5})");
  assert_text(params_of(call, ""), "{}");
  assert_text(params_of(call, " \r\n"), "{}");
  assert_text(params_of(call, "{}"), "{}");
  assert_text(params_of(call, R"({"op":1,"op":2})"), "400 Parameter 'op' is given twice");
  for (const char* body : {"[]", "1", "null", "\"x\""}) {
    assert_text(params_of(call, body), "400 The body must be a JSON object", body);
  }
  for (const char* body : {"{", "op=start", "{\"a\":01}", "\xff"}) {
    assert_text(params_of(call, body), "400 The body is not valid JSON", body);
  }
}
END_TEST

START_TEST(values_that_jsonb_cannot_store_are_rejected) {
  for (const char* body : {R"({"a":"\u0000"})", R"({"\u0000":1})", R"({"a":["\ud800"]})", R"({"a":1e999})",
                           R"({"a":12345678901234567890})", R"({"a":{"b":1,"b":2}})"}) {
    assert_text(params_of(body_call(false), body), "400 The body holds a value that cannot be stored", body);
  }
  assert_text(params_of(body_call(false), "{\"a\":1}\0"), R"({"a":1})");
}
END_TEST

START_TEST(without_a_body_the_query_counts_but_for_the_token) {
  const Call call = call_of(get("/realm/presence", "access_token=secret&x=1"), user_rules());
  assert_text(params_of(call), R"({"x":"1"})");
  assert_text(params_of(call_of(request_for("POST", "/typing", "op=start"), user_rules())), "{}");
  assert_text(params_of(call_of(get("/realm/presence", "x=%zz"), user_rules())), "400 Invalid encoding in the query");
}
END_TEST

START_TEST(bodies_are_json_or_forms) {
  Request request = request_for("POST", "/typing");
  request.content_type = "application/x-www-form-urlencoded; charset=utf-8";
  ck_assert(call_of(request, user_rules()).form);
  request.content_type = "Application/JSON";
  ck_assert(!call_of(request, user_rules()).form);
  request.content_type = "";
  ck_assert(!call_of(request, user_rules()).form);
  request.content_type = "text/plain";
  assert_text(complaint(request, user_rules()), "415 Send application/json or application/x-www-form-urlencoded");
}
END_TEST

START_TEST(the_answer_is_the_functions_result) {
  const Reply reply = call_reply("{\"result\":\"success\"}");
  ck_assert_int_eq(reply.status, 200);
  assert_text(reply.body, "{\"result\":\"success\"}");
}
END_TEST

// The parameters that a function in sql/functions knows: the list that it passes to pgevents.success().
std::vector<std::string> known_in_sql(const std::string& function) {
  std::ifstream file(std::string(PGEVENTS_ROOT) + "/sql/functions/" + function + ".sql");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t from = text.find("'{");
  assert_that(from != std::string::npos, function);
  std::istringstream names(text.substr(from + 2, text.find("}'", from) - from - 2));
  std::vector<std::string> known;
  for (std::string name; std::getline(names, name, ',');) {
    known.push_back(name);
  }
  return known;
}

struct Known {
  Endpoint endpoint;
  const char* function;
};

constexpr Known kKnown[] = {
    {Endpoint::kRegister, "users/http_register"},
    {Endpoint::kReportPresence, "presence/internal/presence_request"},
    {Endpoint::kUserPresence, "presence/http_user_presence"},
    {Endpoint::kRealmPresence, "presence/http_realm_presence"},
    {Endpoint::kTyping, "typing/http_typing"},
    {Endpoint::kSettings, "users/http_settings"},
};

START_TEST(unknown_parameters_are_sent_without_their_values) {
  for (const Known& known : kKnown) {
    std::string given = R"({"else":[1,{"status":2}])";
    std::string kept = R"({"else":null)";
    for (const std::string& name : known_in_sql(known.function)) {
      given += ",\"" + name + R"(":[1,"a"])";
      kept += ",\"" + name + R"(":[1,"a"])";
    }
    assert_text(without_unknown_values(known.endpoint, given + ",\"\\u0022\":1}"), kept + R"(,"\"":null})",
                known.function);
  }
  assert_text(without_unknown_values(Endpoint::kTyping, "{}"), "{}");
}
END_TEST

START_TEST(an_identity_may_ask_for_the_answer_in_parts) {
  assert_text(call_identity({"10", "main"}, false), R"({"user":"10","realm":"main"})");
  assert_text(call_identity({"10", "main"}, true), R"({"user":"10","realm":"main","share_state":true})");
}
END_TEST

START_TEST(an_answer_may_lack_the_presence_of_a_realm) {
  const auto parts = answer_in_parts(R"({"msg":"","presence_state":{"slim": true},"a":1})");
  ck_assert(parts.has_value());
  assert_text(parts->head, R"({"msg":"",)");
  assert_text(parts->wanted, R"({"slim": true})");
  assert_text(parts->tail, R"(,"a":1})");
}
END_TEST

constexpr const char* kComplete[] = {
    R"({"msg":"","presences":{"1":{}}})",
    R"({"msg":"","presences":{"presence_state":{}}})",
    R"({"ignored_parameters_unsupported":["presence_state",":"]})",
    R"({"a":"\"presence_state\":{}"})",
    R"({"\u0070resence_state":1,"presences":{"presence_state":{}}})",
    R"(["presence_state":)",
    "",
};

START_TEST(other_answers_are_complete) {
  for (const char* answer : kComplete) {
    assert_that(!answer_in_parts(answer), answer);
  }
}
END_TEST

}  // namespace

int main() {
  return run("call", {
                         each_path_and_method_has_its_function,
                         only_typing_is_not_repeated,
                         a_base_stands_in_front,
                         a_channel_may_have_an_endpoints_name,
                         other_paths_are_not_found,
                         other_methods_are_rejected_with_the_right_ones,
                         options_names_the_methods_of_the_path,
                         a_caller_without_a_user_is_rejected,
                         a_foreign_page_changes_nothing,
                         the_user_of_the_path_is_a_parameter,
                         a_query_cannot_name_another_user,
                         parameters_come_as_form,
                         parameters_come_as_json,
                         values_that_jsonb_cannot_store_are_rejected,
                         without_a_body_the_query_counts_but_for_the_token,
                         bodies_are_json_or_forms,
                         the_answer_is_the_functions_result,
                         unknown_parameters_are_sent_without_their_values,
                         an_identity_may_ask_for_the_answer_in_parts,
                         an_answer_may_lack_the_presence_of_a_realm,
                         other_answers_are_complete,
                     });
}
