// See handshake.hpp.
#include "core/request/handshake.hpp"

#include <algorithm>

#include "core/request/handshake_headers.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kVersion = "13";

// 16 bytes in Base64 (section 4.1).
bool is_key(std::string_view key) noexcept {
  constexpr std::size_t kDigits = 22;
  const auto is_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return key.size() == kDigits + 2 && key.substr(kDigits) == "==" &&
         std::all_of(key.begin(), key.begin() + kDigits, is_digit) &&
         std::string_view("AQgw").find(key[kDigits - 1]) != std::string_view::npos;
}

Error upgrade_required(std::string_view msg) {
  return make_error(426, std::string(msg));
}

}  // namespace

std::optional<Error> check_handshake(const Request& request) {
  if (!request.no_web_socket.empty()) {
    return upgrade_required(request.no_web_socket);
  }
  if (!has_option(request.upgrade, "websocket") || !has_option(request.connection, "upgrade")) {
    return upgrade_required("The headers Upgrade and Connection are missing; a proxy must pass them");
  }
  if (request.web_socket_version != kVersion) {
    Error error = upgrade_required("This version of WebSocket is not supported");
    error.web_socket_version = kVersion;
    return error;
  }
  if (!is_key(request.web_socket_key)) {
    return make_error(400, "Invalid Sec-WebSocket-Key");
  }
  if (request.has_body) {
    return make_error(400, "A handshake has no body");
  }
  if (!offers_nothing(request) && !offers_dialect(request)) {
    return make_error(400, "Unknown subprotocol; offer 'pgevents.v1'");
  }
  return std::nullopt;
}

// A client without a user, where pages of all origins may read, gets what any page could read by a stream.
std::optional<Error> check_handshake_origin(const Request& request, const Caller& caller, const AccessRules& rules,
                                            bool& may_write) {
  auto error = check_origin(request, caller, rules);
  may_write = !error;
  const bool anonymous = !caller.by_cookie && caller.session.identity.user.empty();
  if (error && anonymous && rules.origins != nullptr && rules.origins->any()) {
    return std::nullopt;
  }
  return error;
}

}  // namespace pgevents
