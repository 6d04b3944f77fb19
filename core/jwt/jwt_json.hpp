// libjose and OpenSSL for the JWT sources: owners of their objects, base64url. Internal to jwt*.cpp.
//
// Every function of these libraries that makes something may return null if memory is refused; json_pack and the
// setters pass a null on as an error, so a check of the last result is enough.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/text/json_tree.hpp"

extern "C" {  // libjose's headers lack it
#include <jose/b64.h>
#include <jose/jws.h>
#include <jose/openssl.h>
}

namespace pgevents {

struct ReleaseJoseConfig {
  void operator()(jose_cfg_t* config) const noexcept { jose_cfg_decref(config); }
};
using JoseConfig = std::unique_ptr<jose_cfg_t, ReleaseJoseConfig>;

struct ReleaseKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using PublicKey = std::unique_ptr<EVP_PKEY, ReleaseKey>;

// Removes what libcrypto's functions leave in the thread's error queue: nginx logs an alert for each entry that it
// finds there before its own calls.
class CryptoErrors {
 public:
  CryptoErrors() noexcept { ERR_set_mark(); }
  ~CryptoErrors() { ERR_pop_to_mark(); }
  CryptoErrors(const CryptoErrors&) = delete;
  CryptoErrors& operator=(const CryptoErrors&) = delete;
};

// Base64url without padding (RFC 7515, section 2), and only in the form that an encoder writes: unused bits are zero.
// Nothing for any other text.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace pgevents
