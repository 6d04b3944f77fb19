// An HTTP request as a front-end describes it.
#pragma once

#include <string_view>

namespace pgevents {

// Views of the web server's data. `path` is percent-decoded, `query` is not.
struct Request {
  std::string_view method;
  std::string_view path;
  std::string_view target;  // the path as the client sent it; empty: not known (path.hpp)
  std::string_view mount;   // what precedes `path` there
  std::string_view query;
  std::string_view accept;
  std::string_view last_event_id;
  std::string_view flavor;  // the `Flavor` header
  std::string_view content_type;
  std::string_view content_encoding;
  std::string_view idempotency_key;
  std::string_view authorization;
  std::string_view cookie;  // several `Cookie` headers joined by "; "
  std::string_view origin;
  std::string_view host;
  std::string_view sec_fetch_site;
  std::string_view preflight_method;  // `Access-Control-Request-Method`
  std::string_view upgrade;
  std::string_view connection;
  std::string_view web_socket_key;  // `Sec-WebSocket-Key` and so on
  std::string_view web_socket_version;
  std::string_view web_socket_protocol;  // several headers joined by ", "
  // Why this connection cannot become a WebSocket; empty: it can.
  std::string_view no_web_socket = "WebSockets are not served here; use a stream or poll";
  bool has_body = false;    // or claims to have one
  bool https = false;       // as far as the web server knows
  bool early_data = false;  // sent before the TLS handshake was complete: perhaps a replay (RFC 8470)
};

}  // namespace pgevents
