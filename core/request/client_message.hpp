// What a client of a WebSocket asks for in the dialect pgevents.v1 (docs/protocol.md), and the HTTP request that would
// ask for the same: it is checked as that one is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/request/http_request.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

struct ClientMessage {
  enum class Kind { kSubscribe, kUnsubscribe, kPublish, kCall, kToken };

  std::string number;  // the member `request`, as the client has written it
  Kind kind = Kind::kSubscribe;
  std::vector<std::string> channels;  // kSubscribe, kUnsubscribe
  std::string token;                  // kToken
  // The request over HTTP, for all but kUnsubscribe and kToken. The path has no base.
  std::string method;
  std::string path;    // decoded
  std::string target;  // encoded
  std::string query;
  std::string last_event_id;
  std::string idempotency_key;
  std::string body;  // JSON
};

// A message that cannot be understood.
struct BadMessage {
  std::string number;  // `null` if it has none that can be repeated
  Error error;
};

// `text` is valid JSON. `most_names`: in one message, repeated ones counted each time.
std::variant<BadMessage, ClientMessage> read_message(std::string_view text, std::size_t most_names);

// The views are valid as long as `message` is. For rules whose base is kMessageBase.
Request request_of(const ClientMessage& message) noexcept;
inline constexpr std::string_view kMessageBase = "/";

}  // namespace pgevents
