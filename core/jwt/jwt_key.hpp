// Keys of tokens as they stand in files. Internal to jwt*.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/jwt/jwt_json.hpp"

namespace pgevents {

struct JwtKey {
  // A JWK of nothing but the public members and `alg`: libjose then verifies by this algorithm and by no other.
  struct Use {
    std::string_view alg;
    Json jwk;
  };
  std::string kid;  // empty: for tokens that name no key
  std::vector<Use> uses;
};

// What JwtKeys::add() is given. Appends to `keys`; returns what is wrong, and then `keys` may hold a part of it.
struct KeyFile {
  jose_cfg_t* config;
  std::string_view kid;
  std::string_view alg;

  std::optional<std::string> read(std::string_view text, std::vector<JwtKey>& keys) const;
};

}  // namespace pgevents
