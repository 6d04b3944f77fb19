// UTF-8 checks. The well-formed byte ranges are those of table 3-7 of the Unicode standard.
#include "core/text/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace pgevents {

namespace {

bool continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

std::size_t three_bytes(const unsigned char* p) {
  if (!continuation(p[1]) || !continuation(p[2])) {
    return 0;
  }
  if (p[0] == 0xE0 && p[1] < 0xA0) {
    return 0;  // overlong
  }
  if (p[0] == 0xED && p[1] > 0x9F) {
    return 0;  // surrogate
  }
  return 3;
}

std::size_t four_bytes(const unsigned char* p) {
  if (!continuation(p[1]) || !continuation(p[2]) || !continuation(p[3])) {
    return 0;
  }
  if (p[0] == 0xF0 && p[1] < 0x90) {
    return 0;  // overlong
  }
  if (p[0] == 0xF4 && p[1] > 0x8F) {
    return 0;  // above U+10FFFF
  }
  return 4;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) noexcept {
  if (text.empty()) {
    return 0;
  }
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  if (p[0] < 0x80) {
    return 1;
  }
  if (p[0] < 0xC2) {
    return 0;
  }
  if (p[0] < 0xE0) {
    return text.size() >= 2 && continuation(p[1]) ? 2 : 0;
  }
  if (p[0] < 0xF0) {
    return text.size() >= 3 ? three_bytes(p) : 0;
  }
  if (p[0] < 0xF5) {
    return text.size() >= 4 ? four_bytes(p) : 0;
  }
  return 0;
}

bool utf8_valid(std::string_view text) noexcept {
  while (!text.empty()) {
    // Most text is ASCII: eight bytes at a time while no high bit is set.
    while (text.size() >= 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data(), sizeof word);
      if ((word & 0x8080808080808080U) != 0) {
        break;
      }
      text.remove_prefix(8);
    }
    if (text.empty()) {
      break;
    }
    const std::size_t length = utf8_sequence(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

bool has_control(std::string_view text) noexcept {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      return true;
    }
  }
  return false;
}

}  // namespace pgevents
