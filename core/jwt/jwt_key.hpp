// Keys for tokens, read from files. Internal to jwt*.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/jwt/jwt_json.hpp"

namespace pgevents {

struct JwtKey {
  // A JWK with the public members and `alg` only: libjose verifies by this algorithm and no other.
  struct Use {
    std::string_view alg;
    Json jwk;
  };
  std::string kid;  // empty: for tokens without a `kid`
  std::vector<Use> uses;
};

// The arguments of JwtKeys::add(). read() appends to `keys`; on an error it returns the reason, and `keys` may contain
// a part of the file's keys.
struct KeyFile {
  jose_cfg_t* config;
  std::string_view kid;
  std::string_view alg;

  std::optional<std::string> read(std::string_view text, std::vector<JwtKey>& keys) const;
};

}  // namespace pgevents
