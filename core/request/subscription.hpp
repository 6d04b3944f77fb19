// A request for events: its channels and parameters.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/request/http_request.hpp"
#include "core/request/session.hpp"
#include "core/request/type_filter.hpp"
#include "core/wire/cursor.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

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

// Fills `out` (all but session and channels) from the query and the headers, or returns the first error. `head_only`
// must be set before, because it decides the flavor.
std::optional<Error> read_parameters(const Request& request, Subscription& out);

}  // namespace pgevents
