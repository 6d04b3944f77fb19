// See grant_pattern.hpp.
#include "core/request/grant_pattern.hpp"

#include <algorithm>

#include "core/wire/error.hpp"

namespace pgevents {

namespace {

constexpr char kSpace[] = " \t\r\n";

// Takes `text` from the front of `name`. False if `name` does not begin with it.
bool take(std::string_view& name, std::string_view text) noexcept {
  if (name.substr(0, text.size()) != text) {
    return false;
  }
  name.remove_prefix(text.size());
  return true;
}

bool take_realm(std::string_view& name, std::string_view realm) noexcept {
  return !realm.empty() &&
         std::all_of(realm.begin(), realm.end(), [&](const char& c) { return take(name, realm_piece(c)); });
}

}  // namespace

bool any_matches(std::string_view patterns, const Identity& identity, std::string_view name) {
  while (true) {
    const std::size_t start = patterns.find_first_not_of(kSpace);
    if (start == std::string_view::npos) {
      return false;
    }
    patterns.remove_prefix(start);
    const std::string_view pattern = patterns.substr(0, patterns.find_first_of(kSpace));
    if (pattern_matches(pattern, identity, name)) {
      return true;
    }
    patterns.remove_prefix(pattern.size());
  }
}

std::optional<std::string> pattern_doubt(std::string_view patterns) {
  while (true) {
    const std::size_t start = patterns.find_first_not_of(kSpace);
    if (start == std::string_view::npos) {
      return std::nullopt;
    }
    patterns.remove_prefix(start);
    const std::string_view pattern = patterns.substr(0, patterns.find_first_of(kSpace));
    patterns.remove_prefix(pattern.size());
    if (pattern.find('*') < pattern.size() - 1) {
      return naming("a '*' is a wildcard at the end only; check pattern", pattern);
    }
    if (pattern.find(',') != std::string_view::npos) {
      return naming("patterns are separated by spaces, a ',' is a part of the name; check pattern", pattern);
    }
    for (std::size_t at = 0; (at = pattern.find('{', at)) != std::string_view::npos; ++at) {
      const std::string_view word = pattern.substr(at, pattern.find('}', at) - at + 1);
      if (word != "{user}" && word != "{realm}") {
        return naming("only {user} and {realm} are replaced; check pattern", pattern);
      }
    }
  }
}

bool pattern_matches(std::string_view pattern, const Identity& identity, std::string_view name) noexcept {
  const bool wild = !pattern.empty() && pattern.back() == '*';
  if (wild) {
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) {
    return wild;
  }
  while (!pattern.empty()) {
    if (take(pattern, "{user}")) {
      if (identity.user.empty() || !take(name, identity.user)) {
        return false;
      }
    } else if (take(pattern, "{realm}")) {
      if (!take_realm(name, identity.realm)) {
        return false;
      }
    } else {
      if (!take(name, pattern.substr(0, 1))) {
        return false;
      }
      pattern.remove_prefix(1);
    }
  }
  return wild || name.empty();
}

}  // namespace pgevents
