// Verifies tokens: first their form, then the key by `kid` and algorithm, then the signature (by libjose), and only
// then their claims.
#include "core/jwt/jwt.hpp"

#include <algorithm>
#include <cstdarg>
#include <iterator>
#include <utility>

#include "core/jwt/jwt_json.hpp"
#include "core/jwt/jwt_key.hpp"
#include "core/jwt/read_claims.hpp"
#include "core/jwt/token_cache.hpp"

namespace pgevents {
namespace {

// libjose writes its errors to stderr unless it is given a function, in any configuration but this.
JoseConfig quiet_config() {
  JoseConfig config(jose_cfg());
  if (config) {
    jose_cfg_set_err_func(
        config.get(), [](void*, const char*, int, std::uint64_t, const char*, va_list) {}, nullptr);
  }
  return config;
}

TokenFault fault(std::string log, AuthFault kind = AuthFault::kMalformed) {
  TokenFault fault;
  fault.log = std::move(log);
  fault.fault = kind;
  return fault;
}

// A token's parts as written, all of them valid base64url, and the key that its header asks for.
struct ParsedToken {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string payload_text;
  std::string alg;
  std::optional<std::string> kid;
};

// A token has three parts, none of them empty; one of `alg` "none" has an empty third part.
bool split(std::string_view text, ParsedToken& token) {
  const std::size_t first = text.find('.');
  const std::size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos) {
    return false;
  }
  token.header = text.substr(0, first);
  token.payload = text.substr(first + 1, second - first - 1);
  token.signature = text.substr(second + 1);
  return !token.header.empty() && !token.payload.empty() && !token.signature.empty();
}

// RFC 7515, section 4.1. `crit` names extensions that the reader must support; pgevents supports none.
std::optional<TokenFault> read_header(std::string_view text, ParsedToken& token) {
  const Json header = parse_object(text);
  if (!header) {
    return fault("its header is not a JSON object without duplicate names");
  }
  if (json_object_get(header.get(), "crit") != nullptr) {
    return fault("its header has \"crit\"");
  }
  const auto alg = string_of(json_object_get(header.get(), "alg"));
  if (!alg) {
    return fault("the \"alg\" of its header is missing or not a string");
  }
  token.alg = *alg;
  const json_t* const kid = json_object_get(header.get(), "kid");
  if (kid == nullptr) {
    return std::nullopt;
  }
  if (!json_is_string(kid)) {
    return fault("the \"kid\" of its header is not a string");
  }
  token.kid = *string_of(kid);
  return std::nullopt;
}

std::optional<TokenFault> parse(std::string_view text, ParsedToken& token) {
  if (!split(text, token)) {
    return fault("it does not have three parts");
  }
  const auto header = decode_base64url(token.header);
  auto payload = decode_base64url(token.payload);
  if (!header || !payload || !decode_base64url(token.signature)) {
    return fault("a part of it is not base64url");
  }
  token.payload_text = std::move(*payload);
  return read_header(*header, token);
}

Json string_json(std::string_view text) {
  return Json(json_stringn_nocheck(text.data(), text.size()));  // base64url is ASCII: no check for UTF-8
}

bool signature_is_good(jose_cfg_t* config, const ParsedToken& token, const json_t* jwk) {
  const Json header = string_json(token.header);
  const Json payload = string_json(token.payload);
  const Json signature = string_json(token.signature);
  const Json jws(
      json_pack("{s:O, s:O, s:O}", "protected", header.get(), "payload", payload.get(), "signature", signature.get()));
  return jws && jose_jws_ver(config, jws.get(), nullptr, jwk, false);
}

std::optional<TokenFault> check_signature(jose_cfg_t* config, const std::vector<JwtKey>& keys,
                                          const ParsedToken& token) {
  const CryptoErrors errors;
  bool kid_known = false;
  bool alg_known = false;
  for (const JwtKey& key : keys) {
    if (token.kid && key.kid != *token.kid) {
      continue;
    }
    kid_known = true;
    for (const JwtKey::Use& use : key.uses) {
      if (use.alg != token.alg) {
        continue;
      }
      alg_known = true;
      if (signature_is_good(config, token, use.jwk.get())) {
        return std::nullopt;
      }
    }
  }
  if (!kid_known) {
    return fault("no key has its \"kid\"", AuthFault::kUnknownKey);
  }
  if (!alg_known) {
    return fault("no key allows its \"alg\"", AuthFault::kAlgorithm);
  }
  return fault("its signature is wrong", AuthFault::kSignature);
}

// Uses every algorithm of a key once when the keys are read, in the process that forks the others. OpenSSL prepares an
// algorithm at its first use; if memory is refused then, it reports the algorithm as missing for ever.
void use_once(jose_cfg_t* config, const JwtKey& key) {
  TokenCache::digest("");
  for (const JwtKey::Use& use : key.uses) {
    const Json header(json_pack("{s:s%}", "alg", use.alg.data(), use.alg.size()));
    const Json encoded(jose_b64_enc_dump(header.get()));
    // Lengths in base64url of signatures of ES256, ES384, ES512 and of the smallest RSA keys: OpenSSL rejects others
    // before it looks at them.
    for (const std::size_t length : {86, 128, 176, 342}) {
      const CryptoErrors errors;  // one per signature: the error queue is short
      const std::string signature(length, 'A');
      ParsedToken token;
      token.header = string_of(encoded.get()).value_or("");
      token.payload = "e30";
      token.signature = signature;
      signature_is_good(config, token, use.jwk.get());
    }
  }
}

}  // namespace

struct JwtKeys::Impl {
  JoseConfig config = quiet_config();
  std::vector<JwtKey> keys;
  TokenCache cache;
  std::uint64_t cache_hits = 0;
};

JwtKeys::JwtKeys() : impl_(std::make_unique<Impl>()) {}
JwtKeys::~JwtKeys() = default;

std::optional<std::string> JwtKeys::add(std::string_view text, std::string_view kid, std::string_view alg) {
  if (!impl_->config) {
    return "out of memory";
  }
  std::vector<JwtKey> keys;
  if (auto fault = KeyFile{impl_->config.get(), kid, alg}.read(text, keys)) {
    return fault;
  }
  if (impl_->keys.size() + keys.size() > kMaxKeys) {
    return "there are more than " + std::to_string(kMaxKeys) + " keys";
  }
  for (const JwtKey& key : keys) {
    use_once(impl_->config.get(), key);
  }
  std::move(keys.begin(), keys.end(), std::back_inserter(impl_->keys));
  return std::nullopt;
}

bool JwtKeys::empty() const noexcept {
  return impl_->keys.empty();
}

std::uint64_t JwtKeys::cache_hits() const noexcept {
  return impl_->cache_hits;
}

JwtKeys::Result JwtKeys::verify(std::string_view text, double now) {
  if (text.size() > kMaxTokenBytes) {
    return TokenFault{"The token is too long", "it is longer than 8192 bytes", AuthFault::kMalformed};
  }
  const auto digest = TokenCache::digest(text);
  if (digest) {
    if (auto claims = impl_->cache.find(*digest, now)) {
      ++impl_->cache_hits;
      return claims;
    }
  }
  ParsedToken token;
  if (auto fault = parse(text, token)) {
    return *fault;
  }
  if (auto fault = check_signature(impl_->config.get(), impl_->keys, token)) {
    return *fault;
  }
  const Json object = parse_object(token.payload_text);
  if (!object) {
    return fault("its claims are not a JSON object without duplicate names");
  }
  const auto claims = std::make_shared<Claims>();
  if (const auto wrong = read_claims(object.get(), *claims)) {
    return fault(*wrong);
  }
  if (digest) {
    impl_->cache.put(*digest, claims, now);
  }
  return claims;
}

}  // namespace pgevents
