// A request that publishes an event, and its body.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/request/session.hpp"
#include "core/text/name_pattern.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

struct Publication {
  Session session;
  std::string channel;
  std::string idempotency_key;
  bool form = false;  // the body is application/x-www-form-urlencoded
};

// Turns a publish body into the argument of `pgevents.http_publish`, and checks all that needs no database: JSON
// syntax, the event type against the pattern. Sets `json` or returns the error.
std::optional<Error> publish_body(const Publication& publication, std::string_view body, const NamePattern& names,
                                  std::string& json);

}  // namespace pgevents
