// See key_options.hpp.
#include "core/jwt/key_options.hpp"

namespace pgevents {

bool KeyOptions::take(std::string_view text) noexcept {
  const std::size_t end = text.find('=') + 1;
  const std::string_view name = text.substr(0, end);
  std::string_view* const target = name == "kid=" ? &kid : name == "alg=" ? &alg : nullptr;
  if (target == nullptr || !target->empty() || text.size() == end) {
    return false;
  }
  *target = text.substr(end);
  return true;
}

bool holds_secret(std::string_view text) noexcept {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '{') {
    return text.find("\"oct\"") != std::string_view::npos;
  }
  return text.find("-----BEGIN ") == std::string_view::npos;
}

}  // namespace pgevents
