// Public keys in PEM and DER. Internal to jwt*.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/jwt/jwt_json.hpp"

namespace pgevents {

// The JWK of the one public key in `text`, or what is wrong with it.
std::variant<std::string, Json> read_pem(jose_cfg_t* config, std::string_view text);

// A public key where a secret should be: whoever knows the one could forge tokens with the other. True for keys and
// certificates in PEM, DER and its base64 (PEM without its first and last line), and for OpenSSH's public keys.
bool is_public_key_in_disguise(std::string_view secret);

}  // namespace pgevents
