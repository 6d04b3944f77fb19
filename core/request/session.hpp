// The identity of a request and how long it may use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

inline constexpr std::string_view kDefaultRealm = "main";

struct Identity {
  std::string user;  // empty: anonymous
  std::string realm;
};

// {"user":"10","realm":"main"}, without `user` if that is empty: the first argument of the SQL functions.
std::string identity_json(const Identity& identity);

// The user's own channel, to which the user may always subscribe: `user:10` in the realm `main`, `user@dairy:10` in the
// realm `dairy`. In a realm `=` is written `=3D` and `:` is written `=3A`, so no other user of any realm has a channel
// of the same name. Empty without a user.
std::string own_channel(const Identity& identity);

// The form of a realm's character in the names of channels, where `:` ends a realm: `=3D` for `=`, `=3A` for `:`.
std::string_view realm_piece(const char& c) noexcept;

// Identity of a request, and its expiry.
struct Session {
  Identity identity;
  bool by_token = false;
  std::int64_t issued_us = 0;        // of the token, microseconds since the Unix epoch; 0: unknown
  std::optional<double> expires_at;  // seconds since the Unix epoch
  bool unchecked = false;  // it is not known yet whether the token was revoked: no event may be sent until it is
};

}  // namespace pgevents
