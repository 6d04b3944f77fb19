// Reads public keys in the forms that OpenSSL writes, and detects those that must never become a secret.
#include "core/jwt/jwt_pem.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <limits>

namespace pgevents {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";

struct ReleaseBio {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct ReleaseCertificate {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};

bool contains(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

// Public keys are never encrypted; without this OpenSSL would ask for a password on the terminal.
int no_password(char*, int, int, void*) noexcept {
  return -1;
}

std::optional<std::string> check_pem(std::string_view text) {
  if (contains(text, "PRIVATE KEY-----")) {
    return "it holds a private key; give the public key only";
  }
  if (contains(text, "CERTIFICATE-----")) {
    return "it holds a certificate; give its public key (openssl x509 -pubkey -noout)";
  }
  if (contains(text, "RSA PUBLIC KEY-----")) {
    return "it holds a key in PKCS#1; give it as PUBLIC KEY (openssl rsa -RSAPublicKey_in -pubout)";
  }
  const std::size_t first = text.find(kBegin);
  if (first == std::string_view::npos || !contains(text, "-----BEGIN PUBLIC KEY-----")) {
    return "it is PEM but contains no PUBLIC KEY";
  }
  if (contains(text.substr(first + 1), kBegin)) {
    return "it holds more than one key; give each its own file";
  }
  return std::nullopt;
}

bool is_der(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const long size = static_cast<long>(bytes.size());
  const auto* const start = at;
  if (PublicKey(d2i_PUBKEY(nullptr, &at, size))) {
    return true;
  }
  at = start;
  if (PublicKey(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size))) {
    return true;
  }
  at = start;
  return std::unique_ptr<X509, ReleaseCertificate>(d2i_X509(nullptr, &at, size)) != nullptr;
}

// Decodes base64 or base64url with any line breaks; empty if `text` is neither.
std::string decode_loosely(std::string_view text) {
  std::string url;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == '=') {
      continue;
    }
    url.push_back(c == '+' ? '-' : c == '/' ? '_' : c);
  }
  return decode_base64url(url).value_or("");
}

}  // namespace

std::variant<std::string, Json> read_pem(jose_cfg_t* config, std::string_view text) {
  if (auto fault = check_pem(text)) {
    return *fault;
  }
  if (text.size() > std::numeric_limits<int>::max()) {
    return "it is too large";
  }
  const std::unique_ptr<BIO, ReleaseBio> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) {
    return "out of memory";
  }
  const PublicKey key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
  if (!key) {
    return "its public key cannot be read";
  }
  Json jwk(jose_openssl_jwk_from_EVP_PKEY(config, key.get()));
  if (!jwk) {
    return "its public key is neither RSA nor EC on P-256, P-384 or P-521";
  }
  return jwk;
}

bool is_disguised_public_key(std::string_view secret) {
  if (contains(secret, kBegin)) {
    return true;
  }
  for (const std::string_view prefix : {"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"}) {
    if (secret.substr(0, prefix.size()) == prefix) {
      return true;
    }
  }
  return is_der(secret) || is_der(decode_loosely(secret));
}

}  // namespace pgevents
