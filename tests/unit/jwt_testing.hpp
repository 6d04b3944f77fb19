// What the tests of tokens share: keys, tokens signed by libjose itself, the examples of RFC 7515, and verdicts as
// text.
#pragma once

#include <openssl/pem.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "checks.hpp"
#include "core/jwt/jwt.hpp"
#include "core/jwt/jwt_json.hpp"

extern "C" {
#include <jose/jwk.h>
}

namespace pgevents::testing {

constexpr double kNow = 1700000000;

// --- keys ---

// A private JWK from a template such as {"alg":"ES256"} or {"kty":"RSA","bits":2048}, as text.
inline std::string new_key(const char* what) {
  const Json jwk(json_loads(what, 0, nullptr));
  if (!jose_jwk_gen(nullptr, jwk.get())) {
    std::abort();
  }
  char* const text = json_dumps(jwk.get(), JSON_COMPACT);
  const std::string result = text;
  std::free(text);
  return result;
}

// One RSA key serves all tests of a program: they take long to make.
inline const std::string& rsa_key() {
  static const std::string key = new_key(R"({"kty":"RSA","bits":2048})");
  return key;
}
inline const std::string& ec_key() {
  static const std::string key = new_key(R"({"kty":"EC","crv":"P-256"})");
  return key;
}
inline const std::string kSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";  // 64 bytes

inline std::string base64url(std::string_view bytes) {
  const Json text(jose_b64_enc(bytes.data(), bytes.size()));
  return json_string_value(text.get());
}

inline std::string oct_key(std::string_view secret = kSecret, std::string_view more = "") {
  return R"({"kty":"oct","k":")" + base64url(secret) + '"' + std::string(more) + '}';
}

// The JWK with `more`, such as {"kid":"a"}, and without its private part if it has one.
inline std::string public_part(const std::string& key, const char* more = "{}") {
  const Json jwk(json_loads(key.c_str(), 0, nullptr));
  const Json members(json_loads(more, 0, nullptr));
  for (const char* const name : {"d", "p", "q", "dp", "dq", "qi", "oth", "alg", "key_ops"}) {
    json_object_del(jwk.get(), name);
  }
  if (json_object_update(jwk.get(), members.get()) != 0) {
    std::abort();
  }
  char* const text = json_dumps(jwk.get(), JSON_COMPACT);
  const std::string result = text;
  std::free(text);
  return result;
}

inline PublicKey openssl_key(const std::string& key) {
  const Json jwk(json_loads(key.c_str(), 0, nullptr));
  return PublicKey(jose_openssl_jwk_to_EVP_PKEY(nullptr, jwk.get()));
}

// What `write` writes into the BIO it is given.
template <typename Write>
std::string written(Write write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  if (write(bio) != 1) {
    std::abort();
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  const std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}
inline std::string public_pem(const std::string& key) {
  const PublicKey pkey = openssl_key(key);
  return written([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, pkey.get()); });
}
inline std::string private_pem(const std::string& key) {
  const PublicKey pkey = openssl_key(key);
  return written(
      [&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, pkey.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

// --- tokens ---

// A token with exactly this header and payload, signed with `key` by the `alg` of the header.
inline std::string sign(const std::string& key, std::string_view header, std::string_view payload) {
  const Json jwk(json_loads(key.c_str(), 0, nullptr));
  json_object_del(jwk.get(), "alg");
  json_object_del(jwk.get(), "key_ops");
  const Json jws(json_pack("{s:s}", "payload", base64url(payload).c_str()));
  const Json with(json_pack("{s:s}", "protected", base64url(header).c_str()));
  if (!jose_jws_sig(nullptr, jws.get(), with.get(), jwk.get())) {
    std::abort();
  }
  return base64url(header) + '.' + base64url(payload) + '.' +
         json_string_value(json_object_get(jws.get(), "signature"));
}
inline std::string token(const std::string& key, std::string_view alg, std::string_view payload = R"({"sub":"10"})") {
  return sign(key, R"({"alg":")" + std::string(alg) + R"("})", payload);
}
// Signed with kSecret by HS256.
inline std::string token_of(std::string_view payload) {
  return token(oct_key(), "HS256", payload);
}

// --- verdicts ---

inline void add(JwtKeys& keys, std::string_view text, std::string_view kid = "", std::string_view alg = "") {
  assert_text(keys.add(text, kid, alg).value_or(""), "");
}
inline std::string complaint_about_key(std::string_view text, std::string_view kid = "", std::string_view alg = "") {
  return JwtKeys().add(text, kid, alg).value_or("");
}

// "good", or the fault in the operator's log.
inline std::string verdict(JwtKeys& keys, std::string_view token, double now = kNow) {
  const JwtKeys::Result result = keys.verify(token, now);
  if (const auto* const fault = std::get_if<TokenFault>(&result)) {
    return fault->log.empty() ? "?" : fault->log;
  }
  return std::get<std::shared_ptr<const Claims>>(result) ? "good" : "null";
}
inline std::string verdict_with(std::string_view key, std::string_view token) {
  JwtKeys keys;
  add(keys, key);
  return verdict(keys, token);
}

inline Claims claims_of(std::string_view payload) {
  JwtKeys keys;
  add(keys, kSecret);
  const JwtKeys::Result result = keys.verify(token_of(payload), kNow);
  if (const auto* const fault = std::get_if<TokenFault>(&result)) {
    assert_text(fault->log, "", payload);
  }
  return *std::get<std::shared_ptr<const Claims>>(result);
}

// --- RFC 7515, appendix A.1 to A.3: one payload, three signatures ---

constexpr char kRfcPayload[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

struct RfcExample {
  const char* alg;
  const char* jwk;
  const char* header;
  const char* signature;

  std::string token() const { return std::string(header) + '.' + kRfcPayload + '.' + signature; }
};

constexpr RfcExample kRfcExamples[] = {
    {"HS256",
     R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {"RS256",
     R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt)"
     R"(0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e)"
     R"(-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8)"
     R"(q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
     "eyJhbGciOiJSUzI1NiJ9",
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
     "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
     "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
     "Ge77Rw"},
    {"ES256",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
     R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9", "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
};

}  // namespace pgevents::testing
