// Frames of WebSocket (RFC 6455, section 5.2) as a server writes them: whole and unmasked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgevents::web_socket {

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// A control frame's payload has at most this many bytes (section 5.5).
inline constexpr std::size_t kMaxControlBytes = 125;

// Why a connection is closed (section 7.4). From 4000 on the application decides: docs/protocol.md names them.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kNone = 1005,  // the peer's close frame has no code; is never sent
  kInvalidText = 1007,
  kPolicyViolation = 1008,
  kTooBig = 1009,
  kInternalError = 1011,
  kRestart = 1012,
  kAccessEnded = 4401,
};

// Whether a peer may send this code.
bool is_close_code(unsigned code) noexcept;

void append_frame(std::string& out, Opcode opcode, std::string_view payload);

// `reason`: a word or two. kNone writes a frame without code and reason.
void append_close(std::string& out, CloseCode code, std::string_view reason);

}  // namespace pgevents::web_socket
