// Public keys in PEM and DER. Internal to jwt*.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/jwt/jwt_json.hpp"

namespace pgevents {

// The JWK of the only public key in `text`, or the reason of its rejection.
std::variant<std::string, Json> read_pem(jose_cfg_t* config, std::string_view text);

// Detects a public key in place of a secret: with it, every holder of the public key could forge tokens. True for keys
// and certificates in PEM, DER and its base64 (PEM without its first and last line), and for OpenSSH's public keys.
bool is_disguised_public_key(std::string_view secret);

}  // namespace pgevents
