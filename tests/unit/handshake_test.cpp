// Handshakes of WebSocket: which requests are some, what rejects them, and what they choose.
#include "core/request/handshake.hpp"
#include "core/request/handshake_headers.hpp"

#include "routes.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

Request handshake(std::string_view query = "") {
  Request request = get("/events/cheese", query);
  request.upgrade = "websocket";
  request.connection = "keep-alive, Upgrade";
  request.web_socket_key = "dGhlIHNhbXBsZSBub25jZQ==";
  request.web_socket_version = "13";
  request.web_socket_protocol = "pgevents.v1";
  request.no_web_socket = "";
  return request;
}

START_TEST(a_good_handshake_opens_a_web_socket) {
  const Subscription wanted = subscription(handshake("last_event_id=5&types=a&flavor=poll&envelope=0"));
  ck_assert(wanted.flavor == Flavor::kWebSocket);
  ck_assert_uint_eq(wanted.cursor.id, 5);
  ck_assert(!wanted.filter.passes("b"));
  ck_assert(!wanted.web_socket->bare && wanted.web_socket->may_write);
}
END_TEST

START_TEST(without_a_subprotocol_envelope_0_chooses_bare_frames) {
  Request request = handshake("envelope=0");
  request.web_socket_protocol = "";
  ck_assert(subscription(request).web_socket->bare);
  request.query = "";
  ck_assert(!subscription(request).web_socket->bare);
}
END_TEST

START_TEST(a_wait_id_does_not_apply) {
  Request request = handshake();
  request.path = "/events/cheese/id";
  assert_text(subscription(request).wait_id, "");
}
END_TEST

struct Case {
  std::string_view Request::*field;
  const char* value;
  const char* wanted;
};

START_TEST(what_is_wrong_with_a_handshake) {
  constexpr char kLost[] = "426 The headers Upgrade and Connection are missing; a proxy must pass them";
  const Case cases[] = {
      {&Request::upgrade, "", kLost},
      {&Request::upgrade, "h2c", kLost},
      {&Request::upgrade, "h2c, WebSocket", ""},
      {&Request::connection, "close", kLost},
      {&Request::connection, "UPGRADE", ""},
      {&Request::web_socket_version, "8", "426 This version of WebSocket is not supported"},
      {&Request::web_socket_version, "", "426 This version of WebSocket is not supported"},
      {&Request::web_socket_key, "", "400 Invalid Sec-WebSocket-Key"},
      {&Request::web_socket_key, "dGhlIHNhbXBsZSBub25jZQ", "400 Invalid Sec-WebSocket-Key"},
      {&Request::web_socket_key, "dGhlIHNhbXBsZSBub25jZR==", "400 Invalid Sec-WebSocket-Key"},
      {&Request::web_socket_key, "dGhlIHNhbXBsZSBub25j!Q==", "400 Invalid Sec-WebSocket-Key"},
      {&Request::web_socket_protocol, "chat", "400 Unknown subprotocol; offer 'pgevents.v1'"},
      {&Request::web_socket_protocol, "pgevents.token.x", "400 Unknown subprotocol; offer 'pgevents.v1'"},
      {&Request::web_socket_protocol, "chat, pgevents.v1", ""},
      {&Request::no_web_socket, "no", "426 no"},
      {&Request::method, "HEAD", ""},
      {&Request::path, "/nothing", "404 Not found"},
      {&Request::path, "/events/", "400 No channel given"},
      {&Request::query, "last_event_id=x", "400 Invalid Last-Event-ID"},
      {&Request::origin, "https://evil.example", "403 Not authorized from this origin"},
  };
  for (const Case& one : cases) {
    Request request = handshake();
    request.host = "app.example";
    request.*one.field = one.value;
    assert_text(complaint(request), one.wanted, one.value);
  }
}
END_TEST

START_TEST(early_data_and_bodies_are_rejected) {
  Request request = handshake();
  request.early_data = true;
  assert_text(complaint(request).substr(0, 3), "425");
  request = handshake();
  request.has_body = true;
  assert_text(complaint(request), "400 A handshake has no body");
}
END_TEST

START_TEST(pages_of_this_site_and_of_allowed_ones_may_connect) {
  OriginRules some;
  ck_assert(!some.add("https://ok.example"));
  OriginRules any;
  ck_assert(!any.add("*"));
  struct {
    const char* origin;
    const OriginRules* origins;
    const char* user;
    bool opens;
    bool may_write;
  } const cases[] = {
      {"https://app.example", nullptr, "7", true, true},  {"https://ok.example", &some, "7", true, true},
      {"https://evil.example", &some, "7", false, false}, {"https://evil.example", &any, "7", false, false},
      {"https://evil.example", &any, "", true, false},    {"", nullptr, "7", true, true},
  };
  for (const auto& one : cases) {
    Request request = handshake();
    request.host = "app.example";
    request.origin = one.origin;
    RouteRules rules = open_rules();
    rules.access.origins = one.origins;
    rules.access.user = one.user;
    const Route found = route(request, rules, kRouteTime);
    assert_text(complaint(found), one.opens ? "" : "403 Not authorized from this origin", one.origin);
    if (one.opens) {
      ck_assert_int_eq(std::get<Subscription>(found).web_socket->may_write, one.may_write);
    }
  }
}
END_TEST

START_TEST(a_token_may_be_a_subprotocol) {
  assert_text(token_in_protocols("pgevents.v1, pgevents.token.a.b.c , pgevents.token.d").value_or("-"), "a.b.c");
  assert_text(token_in_protocols("pgevents.v1").value_or("-"), "-");
}
END_TEST

}  // namespace

int main() {
  return run("handshake", {a_good_handshake_opens_a_web_socket, without_a_subprotocol_envelope_0_chooses_bare_frames,
                           a_wait_id_does_not_apply, what_is_wrong_with_a_handshake, early_data_and_bodies_are_rejected,
                           pages_of_this_site_and_of_allowed_ones_may_connect, a_token_may_be_a_subprotocol});
}
