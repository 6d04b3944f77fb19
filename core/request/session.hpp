// The identity of a request and how long it may use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

inline constexpr std::string_view kDefaultRealm = "main";

struct Identity {
  std::string user;  // empty: nobody in particular
  std::string realm;
};

// {"user":"10","realm":"main"}, without `user` when there is none: the first argument of the SQL functions.
std::string identity_json(const Identity& identity);

// The channel that is the user's own, to which he may always subscribe: `user:10` in the realm `main`, `user@dairy:10`
// in the realm `dairy`. In a realm `=` is written `=3D` and `:` is written `=3A`: no other user of any realm has a
// channel of the same name. Empty for nobody.
std::string own_channel(const Identity& identity);

// The form of a realm's character in the names of channels, where `:` ends a realm: `=3D` for `=`, `=3A` for `:`.
std::string_view realm_piece(const char& c) noexcept;

// Who makes the request, and until when he may.
struct Session {
  Identity identity;
  bool by_token = false;
  std::int64_t issued_us = 0;        // of the token, microseconds since the Unix epoch; 0: it does not say
  std::optional<double> expires_at;  // seconds since the Unix epoch
  bool unchecked = false;  // nobody can tell now whether the token was revoked: nothing may be sent before that
};

}  // namespace pgevents
