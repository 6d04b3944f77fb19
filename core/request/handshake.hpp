// The handshake of a WebSocket (RFC 6455, section 4.2): whether it is good, and what it opens.
#pragma once

#include <optional>

#include "core/request/access.hpp"
#include "core/request/http_request.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

// What a good handshake opens.
struct WebSocketOpening {
  bool bare = false;       // only {"type":…,"data":…} frames
  bool may_write = false;  // it comes from a page that may publish; see check_origin()
  Caller caller;           // whose requests the connection brings
};

// The error of a handshake that cannot succeed, whoever sends it.
std::optional<Error> check_handshake(const Request& request);

// A page of another site must not use what a browser sends by itself, nor what only this network can reach: 403.
// `may_write`: whether the connection may publish.
std::optional<Error> check_handshake_origin(const Request& request, const Caller& caller, const AccessRules& rules,
                                            bool& may_write);

}  // namespace pgevents
