// Signs tokens with OpenSSL's HMAC alone, so that the tested code does not make its own test data.
#include "tokens.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "fuzzing.hpp"

namespace pgevents::fuzzing {

std::string base64url(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
    for (held += 8; held >= 6; held -= 6) {
      out += kAlphabet[bits >> (held - 6) & 63];
    }
  }
  if (held > 0) {
    out += kAlphabet[bits << (6 - held) & 63];
  }
  return out;
}

std::string hs256_token(std::string_view header, std::string_view payload, std::string_view secret) {
  const std::string text = base64url(header) + '.' + base64url(payload);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const auto* const result = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                  reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  require(result != nullptr, "OpenSSL signs");
  return text + '.' + base64url({reinterpret_cast<const char*>(digest), size});
}

const std::string& shared_secret() {
  static const std::string secret = corpus_file("keys/secret");
  return secret;
}

}  // namespace pgevents::fuzzing
