// The strict form of base64url for tokens and keys.
#include "core/jwt/jwt_json.hpp"

namespace pgevents {
namespace {

int base64url_value(char c) noexcept {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  if (c == '-') {
    return 62;
  }
  if (c == '_') {
    return 63;
  }
  return -1;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  unsigned bits = 0;
  int held = 0;  // how many of the lower bits of `bits` are not written yet
  for (const char c : text) {
    const int value = base64url_value(c);
    if (value < 0) {
      return std::nullopt;
    }
    bits = ((bits << 6) | static_cast<unsigned>(value)) & 0x3fff;
    held += 6;
    if (held < 8) {
      continue;
    }
    held -= 8;
    out.push_back(static_cast<char>((bits >> held) & 0xff));
  }
  const unsigned unused = bits & ((1u << held) - 1);
  if (unused != 0) {
    return std::nullopt;
  }
  return out;
}

}  // namespace pgevents
