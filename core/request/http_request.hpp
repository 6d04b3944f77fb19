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
  bool https = false;                 // as far as the web server knows
  bool early_data = false;            // sent before the TLS handshake was complete: perhaps a replay (RFC 8470)
};

}  // namespace pgevents
