// From a verified token's JSON to Claims. Internal to jwt*.cpp.
#pragma once

#include <optional>
#include <string>

#include "core/jwt/claims.hpp"
#include "core/jwt/jwt_json.hpp"

namespace pgevents {

// Fills `claims` from the token's object. Returns the reason of a rejection, without repeating any part of the token.
std::optional<std::string> read_claims(const json_t* token, Claims& claims);

}  // namespace pgevents
