// From an HTTP request to what is wanted, the same for module and fallback: the routes, their parameters
// and every complaint about them. Knows nothing of nginx, FastCGI or PostgreSQL.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/request/access.hpp"
#include "core/request/call.hpp"
#include "core/request/type_filter.hpp"
#include "core/text/name_pattern.hpp"
#include "core/wire/cursor.hpp"
#include "core/wire/reply.hpp"

namespace pgevents {

// What a front-end hands over. `path` is percent-decoded, `query` is not.
struct Request {
  std::string_view method;
  std::string_view path;
  std::string_view target;  // the path as the client sent it; empty: not known (path.hpp)
  std::string_view mount;   // what stands before `path` there
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
  bool early_data = false;            // came before the TLS handshake was over: perhaps a replay (RFC 8470)
};

// What the operator decided.
struct Settings {
  std::string_view base;  // path prefix; empty: whatever is in front of a path that we know
  const NamePattern* names = nullptr;
  std::size_t max_channels = 64;
  AccessRules access;  // nothing given: nobody gets in
};

enum class Flavor { kLongPoll, kEventSource, kPoll };

struct Subscription {
  Session session;
  std::vector<std::string> channels;  // sorted, each once
  Cursor cursor;
  Flavor flavor = Flavor::kLongPoll;
  bool head_only = false;  // HEAD: answer as a poll without a body
  bool envelope = false;
  TypeFilter filter;
  std::string wait_id;
  std::optional<double> timeout;  // seconds
};

struct Publication {
  Session session;
  std::string channel;
  std::string idempotency_key;
  bool form = false;  // the body is application/x-www-form-urlencoded
};

struct Options {
  std::string methods;          // but OPTIONS
  std::vector<Header> headers;  // of a preflight's answer
};

using Route = std::variant<Error, Subscription, Publication, Call, Options>;

// Decides what `request` wants. Access is checked here too (the first refused channel is named). `now` is in seconds
// since the Unix epoch. Only an event stream may come with `session.unchecked`.
Route route(const Request& request, const Settings& settings, double now);

// Turns a publish body into the JSON text that `pgevents.http_publish` takes, and checks what can be checked without
// the database: JSON syntax, the event type against the pattern. Sets `json` or returns the error.
std::optional<Error> publish_body(const Publication& publication, std::string_view body, const NamePattern& names,
                                  std::string& json);

}  // namespace pgevents
