// A request for events: its channels and parameters.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/request/handshake.hpp"
#include "core/request/http_request.hpp"
#include "core/request/session.hpp"
#include "core/request/type_filter.hpp"
#include "core/wire/cursor.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

enum class Flavor { kLongPoll, kEventSource, kPoll, kWebSocket };

// Whether a client of this flavor stays connected. Then it also waits while the database is away.
constexpr bool stays(Flavor flavor) noexcept {
  return flavor == Flavor::kEventSource || flavor == Flavor::kWebSocket;
}

struct Subscription {
  Session session;
  std::vector<std::string> channels;  // sorted, each once
  Cursor cursor;
  Flavor flavor = Flavor::kLongPoll;
  bool head_only = false;  // HEAD: answer as a poll without a body
  bool envelope = false;
  bool no_envelope = false;  // it was asked for
  TypeFilter filter;
  std::string wait_id;
  std::optional<double> timeout;               // seconds
  std::optional<WebSocketOpening> web_socket;  // Flavor::kWebSocket
};

// Fills `out` (all but session and channels) from the query and the headers, or returns the first error. `head_only`
// must be set before, because it decides the flavor.
std::optional<Error> read_parameters(const Request& request, Subscription& out);

}  // namespace pgevents
