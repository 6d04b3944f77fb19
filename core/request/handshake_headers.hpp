// The headers of a WebSocket's handshake (RFC 6455, section 4.2): whether a request is one, and what its client offers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/request/http_request.hpp"

namespace pgevents {

// The dialect of docs/protocol.md.
inline constexpr std::string_view kWebSocketProtocol = "pgevents.v1";

// Whether the client wants a WebSocket. Also if a proxy has dropped `Upgrade`: then the answer must come at once.
bool is_handshake(const Request& request) noexcept;

// Whether a header that is a list, such as Connection, has this item, given in lower case.
bool has_option(std::string_view list, std::string_view lower_case) noexcept;

// Whether a client offers the dialect, and no subprotocol at all.
bool offers_dialect(const Request& request) noexcept;
bool offers_nothing(const Request& request) noexcept;

// The token in a subprotocol `pgevents.token.<JWT>`: a page's script can set no header of a handshake but these.
std::optional<std::string> token_in_protocols(std::string_view protocols);

}  // namespace pgevents
