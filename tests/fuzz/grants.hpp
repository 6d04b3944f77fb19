// A second implementation of patterns and grants, as plain as possible and without regard to speed, for comparison.
#pragma once

#include <string>

#include "core/request/access.hpp"

namespace pgevents::fuzzing {

// The form of a realm in the names of channels.
inline std::string realm_text(std::string realm) {
  for (std::size_t at = 0; (at = realm.find_first_of("=:", at)) != std::string::npos; at += 3) {
    realm.replace(at, 1, realm[at] == '=' ? "=3D" : "=3A");
  }
  return realm;
}

// Whether one pattern matches `name`: placeholders are replaced first and once, then the names are compared.
inline bool stands_for(const std::string& pattern, const Identity& identity, const std::string& name) {
  const bool wildcard = !pattern.empty() && pattern.back() == '*';
  const std::string text = wildcard ? pattern.substr(0, pattern.size() - 1) : pattern;
  std::string wanted;
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, 6, "{user}") == 0) {
      if (identity.user.empty()) {
        return false;
      }
      wanted += identity.user;
      at += 6;
    } else if (text.compare(at, 7, "{realm}") == 0) {
      if (identity.realm.empty()) {
        return false;
      }
      wanted += realm_text(identity.realm);
      at += 7;
    } else {
      wanted += text[at++];
    }
  }
  return wildcard ? name.compare(0, wanted.size(), wanted) == 0 : name == wanted;
}

}  // namespace pgevents::fuzzing
