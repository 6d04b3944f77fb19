// From an HTTP request to its meaning, the same for module and fallback: the routes, their parameters and all errors
// about them. Knows nothing of nginx, FastCGI or PostgreSQL.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/request/access.hpp"
#include "core/request/call.hpp"
#include "core/request/http_request.hpp"
#include "core/request/publication.hpp"
#include "core/request/subscription.hpp"
#include "core/text/name_pattern.hpp"
#include "core/wire/reply.hpp"

namespace pgevents {

// The operator's settings for one request.
struct RouteRules {
  std::string_view base;  // path prefix; empty: anything may precede a known path
  const NamePattern* names = nullptr;
  std::size_t max_channels = 64;
  AccessRules access;  // default: no access
  // Who runs publications and calls checks their tokens first if it is unknown here whether these were revoked.
  bool checks_later = false;
};

struct PreflightAnswer {
  std::string methods;          // without OPTIONS
  std::vector<Header> headers;  // for the answer to a preflight
};

using Route = std::variant<Error, Subscription, Publication, Call, PreflightAnswer>;

// Decides what `request` asks for, and whether it may (an error names the first channel that is not granted). `now` is
// in seconds since the Unix epoch. Only a stream or WebSocket may come with `session.unchecked`, and with
// `checks_later` a publication or call. `identified`, if not null, is set once the identity was looked for, also if the
// request is rejected then; it is empty if the token is not valid.
Route route(const Request& request, const RouteRules& rules, double now, std::optional<Identity>* identified = nullptr);

// Likewise for a caller that is known already: a request that came through a WebSocket. There `OPTIONS` is no method:
// preflights are for HTTP.
Route route_as(const Request& request, const RouteRules& rules, const Caller& caller);

}  // namespace pgevents
