// libjose and OpenSSL as the JWT sources use them: who owns what, base64url. Internal to jwt*.cpp.
//
// Every function of these libraries that makes something may return null for want of memory; json_pack and the setters
// take null as an error and pass it on, so that it is enough to check what comes out at the end.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/text/json_tree.hpp"

extern "C" {  // libjose's headers do not say so themselves
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

// Takes away what libcrypto's functions leave in the error queue of the thread: nginx logs an alert about what it finds
// there before its own calls.
class CryptoErrors {
 public:
  CryptoErrors() noexcept { ERR_set_mark(); }
  ~CryptoErrors() { ERR_pop_to_mark(); }
  CryptoErrors(const CryptoErrors&) = delete;
  CryptoErrors& operator=(const CryptoErrors&) = delete;
};

// Base64url without padding (RFC 7515, section 2), and only as an encoder writes it: unused bits are zero. Else
// nothing.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace pgevents
