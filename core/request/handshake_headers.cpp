// See handshake_headers.hpp.
#include "core/request/handshake_headers.hpp"

#include "core/text/header_value.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kTokenPrefix = "pgevents.token.";

// Without memory: each GET is asked whether it is a handshake.
template <typename Test>
bool any_item(std::string_view list, Test&& test) {
  while (true) {
    const std::size_t end = list.find(',');
    if (test(trimmed(list.substr(0, end)))) {
      return true;
    }
    if (end == std::string_view::npos) {
      return false;
    }
    list.remove_prefix(end + 1);
  }
}

}  // namespace

bool has_option(std::string_view list, std::string_view lower_case) noexcept {
  return any_item(list, [&](std::string_view item) { return equals_ignoring_case(item, lower_case); });
}

bool is_handshake(const Request& request) noexcept {
  return request.method == "GET" && (has_option(request.upgrade, "websocket") || !request.web_socket_key.empty());
}

bool offers_dialect(const Request& request) noexcept {
  return any_item(request.web_socket_protocol, [](std::string_view item) { return item == kWebSocketProtocol; });
}

bool offers_nothing(const Request& request) noexcept {
  return trimmed(request.web_socket_protocol).empty();
}

std::optional<std::string> token_in_protocols(std::string_view protocols) {
  std::optional<std::string> token;
  any_item(protocols, [&token](std::string_view item) {
    const bool is_token = item.substr(0, kTokenPrefix.size()) == kTokenPrefix;
    if (is_token) {
      token = item.substr(kTokenPrefix.size());
    }
    return is_token;
  });
  return token;
}

}  // namespace pgevents
