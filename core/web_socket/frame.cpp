// See frame.hpp.
#include "core/web_socket/frame.hpp"

namespace pgevents::web_socket {

namespace {

constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kTwoBytes = 126;    // the length follows in two bytes
constexpr unsigned char kEightBytes = 127;  // in eight
constexpr std::size_t kMostInTwoBytes = 0xffff;

void append_big_endian(std::string& out, std::uint64_t number, int bytes) {
  while (bytes-- > 0) {
    out.push_back(static_cast<char>((number >> (8 * bytes)) & 0xff));
  }
}

}  // namespace

bool is_close_code(unsigned code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out.push_back(static_cast<char>(kFinal | static_cast<unsigned char>(opcode)));
  if (payload.size() < kTwoBytes) {
    append_big_endian(out, payload.size(), 1);
  } else if (payload.size() <= kMostInTwoBytes) {
    append_big_endian(out, kTwoBytes, 1);
    append_big_endian(out, payload.size(), 2);
  } else {
    append_big_endian(out, kEightBytes, 1);
    append_big_endian(out, payload.size(), 8);
  }
  out.append(payload);
}

void append_close(std::string& out, CloseCode code, std::string_view reason) {
  std::string payload;
  if (code != CloseCode::kNone) {
    append_big_endian(payload, static_cast<std::uint16_t>(code), 2);
    payload.append(reason.substr(0, kMaxControlBytes - payload.size()));
  }
  append_frame(out, Opcode::kClose, payload);
}

}  // namespace pgevents::web_socket
