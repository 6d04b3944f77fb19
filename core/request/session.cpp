// See session.hpp.
#include "core/request/session.hpp"

#include "core/wire/event.hpp"

namespace pgevents {

// A realm's character as it stands in the names of channels, where `:` ends a realm.
std::string_view realm_piece(const char& c) noexcept {
  if (c == '=') {
    return "=3D";
  }
  return c == ':' ? std::string_view("=3A") : std::string_view(&c, 1);
}

std::string identity_json(const Identity& identity) {
  std::string json = "{";
  if (!identity.user.empty()) {
    json += "\"user\":\"";
    append_json_escaped(json, identity.user);
    json += "\",";
  }
  json += "\"realm\":\"";
  append_json_escaped(json, identity.realm);
  return json += "\"}";
}

// The first colon ends the realm, for it cannot hold one; the user stands behind it to the letter.
std::string own_channel(const Identity& identity) {
  if (identity.user.empty()) {
    return {};
  }
  if (identity.realm == kDefaultRealm) {
    return "user:" + identity.user;
  }
  std::string channel = "user@";
  for (const char& c : identity.realm) {
    channel += realm_piece(c);
  }
  return channel += ':' + identity.user;
}

}  // namespace pgevents
