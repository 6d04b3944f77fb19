// See header_value.hpp.
#include "core/text/header_value.hpp"

#include <algorithm>

namespace pgevents {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) {
    return {};
  }
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) noexcept {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

std::string_view media_type(std::string_view text) noexcept {
  return trimmed(text.substr(0, text.find(';')));
}

std::optional<std::string> bearer_credentials(std::string_view authorization) {
  const std::string_view text = trimmed(authorization);
  const std::string_view scheme = text.substr(0, text.find_first_of(" \t"));
  if (!equals_ignoring_case(scheme, "bearer")) {
    return std::nullopt;
  }
  return std::string(trimmed(text.substr(scheme.size())));
}

bool is_cookie_name(std::string_view name) noexcept {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < 127 && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
  });
}

std::optional<std::string> cookie_value(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    const std::string_view pair = trimmed(cookies.substr(0, end));
    cookies.remove_prefix(end == std::string_view::npos ? cookies.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != name) {
      continue;
    }
    std::string_view value = trimmed(pair.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (!value.empty()) {
      return std::string(value);
    }
  }
  return std::nullopt;
}

}  // namespace pgevents
