// Reads what a WebSocket client sends (RFC 6455, section 5), in whatever pieces it comes: text messages, perhaps in
// fragments, and control frames. Takes no more memory than the longest message that is allowed; between two messages it
// holds none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/web_socket/frame.hpp"

namespace pgevents::web_socket {

class FrameReader {
 public:
  enum class Found : std::uint8_t {
    kNothing,  // more bytes are needed
    kText,     // a whole text message
    kPing,     // payload(): what the pong repeats
    kPong,
    kClose,      // close_code(): the peer's
    kViolation,  // close_code(): to close the connection with; nothing more may be read
  };

  // `max_message`: in bytes; a longer message is a violation as soon as its length is known.
  explicit FrameReader(std::size_t max_message) noexcept : max_message_(max_message) {}

  // Likewise, from the next frame on.
  void set_max_message(std::size_t bytes) noexcept { max_message_ = bytes; }

  // Reads from the front of `bytes`, and removes it, up to the end of the next message or control frame.
  Found read(std::string_view& bytes);

  // Part of a message or control frame was read.
  bool within() const noexcept { return header_bytes_ > 0 || in_payload_ || in_message_; }

  // Of the message or control frame that read() has found last, until it is called again.
  std::string& payload() noexcept { return is_control() ? control_ : message_; }
  CloseCode close_code() const noexcept { return close_code_; }

 private:
  static constexpr std::size_t kLongestHeader = 14;

  bool is_control() const noexcept { return opcode_ >= Opcode::kClose; }
  void forget_found() noexcept;
  bool read_header(std::string_view& bytes);
  std::size_t header_size() const noexcept;
  Found check_start() noexcept;
  Found check_length() noexcept;
  std::uint64_t length() const noexcept;
  void read_payload(std::string_view& bytes);
  Found end_frame();
  Found end_close() noexcept;
  Found violation(CloseCode code) noexcept;

  std::size_t max_message_;
  std::uint64_t left_ = 0;  // bytes of this frame's payload
  std::string message_;     // unmasked, of all fragments so far
  std::string control_;
  unsigned char header_[kLongestHeader] = {};
  std::uint8_t header_bytes_ = 0;
  std::uint8_t mask_at_ = 0;
  bool in_payload_ = false;
  bool in_message_ = false;  // a fragment was read that is not the last one
  bool found_ = false;       // read() has returned payload()
  Opcode opcode_ = Opcode::kText;
  CloseCode close_code_ = CloseCode::kNone;
};

}  // namespace pgevents::web_socket
