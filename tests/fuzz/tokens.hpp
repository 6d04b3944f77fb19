// Tokens in the application's form, for the targets that need one with a good signature.
#pragma once

#include <string>
#include <string_view>

namespace pgevents::fuzzing {

std::string base64url(std::string_view bytes);

// The header, the payload and their HS256 signature, whatever the header's `alg`.
std::string hs256_token(std::string_view header, std::string_view payload, std::string_view secret);

// The secret of tests/fuzz/corpus/keys.
const std::string& shared_secret();

}  // namespace pgevents::fuzzing
