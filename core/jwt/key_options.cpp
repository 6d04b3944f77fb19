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

}  // namespace pgevents
