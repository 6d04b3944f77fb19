// What a verified token contains, and why a token is rejected.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/metrics/labels.hpp"

namespace pgevents {

// Later times of a token, and earlier ones than minus this, count as this: in microseconds it still fits 64 bits.
inline constexpr double kMaxClaimedTime = 9e12;

// Not compared yet with the clock or with the operator's rules.
struct Claims {
  std::string user;   // `sub`, a string or an integer; empty: none, else name_is_sane()
  std::string realm;  // likewise
  std::string issuer;
  std::vector<std::string> audience;
  std::vector<std::string> subscribe;  // `pgevents`: {"subscribe":[…],"publish":[…]}, patterns
  std::vector<std::string> publish;
  std::optional<double> expires_at;  // seconds since the Unix epoch, as the two below
  std::optional<double> not_before;
  std::optional<double> issued_at;
};

// `msg` is for the client, `log` for the operator. Neither repeats any part of the token.
struct TokenFault {
  std::string msg = "Invalid token";
  std::string log;
  AuthFault fault = AuthFault::kMalformed;
};

}  // namespace pgevents
