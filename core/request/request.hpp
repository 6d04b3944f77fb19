// From an HTTP request to what is wanted, the same for module and fallback: the routes, their parameters
// and every complaint about them. Knows nothing of nginx, FastCGI or PostgreSQL.
#pragma once

#include <cstddef>
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

// What the operator decided.
struct RouteRules {
  std::string_view base;  // path prefix; empty: whatever is in front of a path that we know
  const NamePattern* names = nullptr;
  std::size_t max_channels = 64;
  AccessRules access;  // nothing given: nobody gets in
};

struct PreflightAnswer {
  std::string methods;          // but OPTIONS
  std::vector<Header> headers;  // of a preflight's answer
};

using Route = std::variant<Error, Subscription, Publication, Call, PreflightAnswer>;

// Decides what `request` wants. Access is checked here too (the first refused channel is named). `now` is in seconds
// since the Unix epoch. Only an event stream may come with `session.unchecked`.
Route route(const Request& request, const RouteRules& rules, double now);

}  // namespace pgevents
