// Finds the keys in a file and the algorithms of each. Rejects everything that is not certainly right; the operator
// gets the reason at start-up.
#include "core/jwt/jwt_key.hpp"

#include <algorithm>
#include <utility>

#include "core/jwt/jwt_pem.hpp"
#include "core/jwt/key_options.hpp"

namespace pgevents {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;  // the longer the key, the costlier a signature

struct Algorithm {
  std::string_view name;
  std::string_view type;     // `kty`
  std::string_view curve;    // EC only
  std::size_t secret_bytes;  // oct only: as many as the hash has (RFC 7518, section 3.2)
};
constexpr Algorithm kAlgorithms[] = {
    {"HS256", "oct", "", 32},    {"HS384", "oct", "", 48},    {"HS512", "oct", "", 64},
    {"RS256", "RSA", "", 0},     {"RS384", "RSA", "", 0},     {"RS512", "RSA", "", 0},
    {"ES256", "EC", "P-256", 0}, {"ES384", "EC", "P-384", 0}, {"ES512", "EC", "P-521", 0},
};

bool is_algorithm(std::string_view name) {
  return std::any_of(std::begin(kAlgorithms), std::end(kAlgorithms),
                     [&](const Algorithm& a) { return a.name == name; });
}

// The result for one JWK. In a set kUnfit keys are skipped; a single key must fit.
struct KeyVerdict {
  enum class Kind { kTaken, kUnfit, kWrong };
  Kind kind = Kind::kTaken;
  std::string reason;
};
KeyVerdict unfit(std::string reason) {
  return {KeyVerdict::Kind::kUnfit, std::move(reason)};
}
KeyVerdict wrong(std::string reason) {
  return {KeyVerdict::Kind::kWrong, std::move(reason)};
}

// The operator's options for a file, and the list that gets its keys.
struct Reader {
  jose_cfg_t* config;
  std::string_view kid;
  std::string_view alg;
  std::vector<JwtKey>& keys;

  KeyVerdict take_jwk(const json_t* jwk);
  KeyVerdict take_secret(std::string_view secret, JwtKey key, std::string_view key_alg);
  KeyVerdict take_public(const json_t* jwk, JwtKey key, std::string_view key_alg);
  KeyVerdict take_set(const json_t* set);
  bool wants(const Algorithm& algorithm, std::string_view key_alg) const {
    return (alg.empty() || alg == algorithm.name) && (key_alg.empty() || key_alg == algorithm.name);
  }
};

std::string_view without_line_end(std::string_view text) {
  if (!text.empty() && text.back() == '\n') {
    text.remove_suffix(1);
  }
  if (!text.empty() && text.back() == '\r') {
    text.remove_suffix(1);
  }
  return text;
}

// --- secrets ---

// libjose does not verify with a longer secret.
constexpr std::size_t kMaxSecretBytes = 1024;

KeyVerdict Reader::take_secret(std::string_view secret, JwtKey key, std::string_view key_alg) {
  if (is_disguised_public_key(secret)) {
    return wrong("it is a public key or certificate; give the key in PEM or as JWK");
  }
  if (secret.size() > kMaxSecretBytes) {
    return wrong("the secret is too long; it may have at most " + std::to_string(kMaxSecretBytes) + " bytes");
  }
  const Json text(jose_b64_enc(secret.data(), secret.size()));
  if (!text) {
    return wrong("out of memory");
  }
  std::size_t wanted = 0;
  for (const Algorithm& algorithm : kAlgorithms) {
    if (algorithm.type != "oct" || !wants(algorithm, key_alg)) {
      continue;
    }
    if (wanted == 0) {
      wanted = algorithm.secret_bytes;
    }
    if (secret.size() < algorithm.secret_bytes) {
      continue;
    }
    Json jwk(json_pack("{s:s, s:s, s:O}", "kty", "oct", "alg", algorithm.name.data(), "k", text.get()));
    if (!jwk) {
      return wrong("out of memory");
    }
    key.uses.push_back({algorithm.name, std::move(jwk)});
  }
  if (wanted == 0) {
    return unfit("a secret is for HS256, HS384 and HS512 only");
  }
  if (key.uses.empty()) {
    return wrong("the secret is too short; it must have at least " + std::to_string(wanted) + " bytes");
  }
  keys.push_back(std::move(key));
  return {};
}

// --- public keys ---

// The members that make up an EC or RSA key.
Json public_members(const json_t* jwk, std::string_view type) {
  const char* const names[] = {type == "EC" ? "x" : "n", type == "EC" ? "y" : "e"};
  json_t* const values[] = {json_object_get(jwk, names[0]), json_object_get(jwk, names[1])};
  for (const json_t* const value : values) {
    const auto text = string_of(value);
    if (!text || text->empty() || !decode_base64url(*text)) {
      return nullptr;
    }
  }
  Json members(json_pack("{s:s, s:O, s:O}", "kty", type.data(), names[0], values[0], names[1], values[1]));
  if (type != "EC" || !members) {
    return members;
  }
  return json_object_set(members.get(), "crv", json_object_get(jwk, "crv")) == 0 ? std::move(members) : nullptr;
}

std::optional<std::string> check_public_key(jose_cfg_t* config, const json_t* jwk) {
  const PublicKey key(jose_openssl_jwk_to_EVP_PKEY(config, jwk));
  if (!key) {
    return "its public key cannot be read";
  }
  if (EVP_PKEY_base_id(key.get()) == EVP_PKEY_RSA) {
    const int bits = EVP_PKEY_bits(key.get());
    if (bits < kMinRsaBits || bits > kMaxRsaBits) {
      return "its RSA key must have 2048 to 8192 bits";
    }
  }
  struct Release {
    void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  };
  const std::unique_ptr<EVP_PKEY_CTX, Release> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context) {
    return "out of memory";
  }
  if (EVP_PKEY_public_check(context.get()) != 1) {
    return "its public key is not valid";
  }
  return std::nullopt;
}

KeyVerdict Reader::take_public(const json_t* jwk, JwtKey key, std::string_view key_alg) {
  const std::string_view type = string_of(json_object_get(jwk, "kty")).value_or("");
  const std::string_view curve = string_of(json_object_get(jwk, "crv")).value_or("");
  if (json_object_get(jwk, "d") != nullptr) {
    return wrong("it holds a private key; give the public key only");
  }
  Json members;
  for (const Algorithm& algorithm : kAlgorithms) {
    if (algorithm.type != type || (type == "EC" && algorithm.curve != curve) || !wants(algorithm, key_alg)) {
      continue;
    }
    if (!members) {
      members = public_members(jwk, algorithm.type);
      if (!members) {
        return wrong("a member of its public key is missing or is not base64url");
      }
      if (auto fault = check_public_key(config, members.get())) {
        return wrong(*fault);
      }
    }
    // json_copy() would silently leave out members if memory is refused.
    Json one(json_pack("{s:s}", "alg", algorithm.name.data()));
    if (!one || json_object_update(one.get(), members.get()) != 0) {
      return wrong("out of memory");
    }
    key.uses.push_back({algorithm.name, std::move(one)});
  }
  if (key.uses.empty()) {
    return unfit("its type, curve and alg do not match, or are not supported");
  }
  keys.push_back(std::move(key));
  return {};
}

// --- JWK ---

// True when the JWK may be used to verify signatures (RFC 7517, sections 4.2 and 4.3).
bool may_verify(const json_t* jwk) {
  const json_t* const use = json_object_get(jwk, "use");
  if (use != nullptr && string_of(use) != "sig") {
    return false;
  }
  const json_t* const operations = json_object_get(jwk, "key_ops");
  if (operations == nullptr) {
    return true;
  }
  for (std::size_t i = 0; i < json_array_size(operations); ++i) {
    if (string_of(json_array_get(operations, i)) == "verify") {
      return true;
    }
  }
  return false;
}

KeyVerdict Reader::take_jwk(const json_t* jwk) {
  const auto type = string_of(json_object_get(jwk, "kty"));
  if (!type) {
    return wrong("it is not a JWK: \"kty\" is missing");
  }
  if (!may_verify(jwk)) {
    return unfit("its use is not to verify signatures");
  }
  const json_t* const own_kid = json_object_get(jwk, "kid");
  const json_t* const own_alg = json_object_get(jwk, "alg");
  if (own_kid != nullptr && !json_is_string(own_kid)) {
    return wrong("its \"kid\" is not a string");
  }
  if (own_alg != nullptr && !json_is_string(own_alg)) {
    return wrong("its \"alg\" is not a string");
  }
  const std::string_view key_kid = string_of(own_kid).value_or("");
  if (!kid.empty() && own_kid != nullptr && key_kid != kid) {
    return unfit("its \"kid\" is not the configured one");
  }

  JwtKey key;
  key.kid = kid.empty() ? key_kid : kid;
  const std::string_view key_alg = string_of(own_alg).value_or("");
  if (type != "oct") {
    return take_public(jwk, std::move(key), key_alg);
  }
  const auto secret = decode_base64url(string_of(json_object_get(jwk, "k")).value_or("?"));
  if (!secret) {
    return wrong("its \"k\" is missing or is not base64url");
  }
  return take_secret(*secret, std::move(key), key_alg);
}

KeyVerdict Reader::take_set(const json_t* set) {
  std::size_t taken = 0;
  for (std::size_t i = 0; i < json_array_size(set); ++i) {
    const KeyVerdict verdict = take_jwk(json_array_get(set, i));
    if (verdict.kind == KeyVerdict::Kind::kWrong) {
      return wrong("key " + std::to_string(i + 1) + ": " + verdict.reason);
    }
    if (verdict.kind == KeyVerdict::Kind::kTaken) {
      ++taken;
    }
    if (keys.size() > kMaxKeys) {
      break;  // too many already
    }
  }
  return taken > 0 ? KeyVerdict{} : wrong("its JWK Set holds no key that can be used here");
}

KeyVerdict take_json(std::string_view text, Reader reader) {
  const Json value = parse_object(text);
  if (!value) {
    return wrong("it begins as a JWK but is not a JSON object without duplicate names");
  }
  const json_t* const set = json_object_get(value.get(), "keys");
  if (set == nullptr) {
    return reader.take_jwk(value.get());
  }
  return json_is_array(set) ? reader.take_set(set) : wrong("its \"keys\" is not a list");
}

KeyVerdict take_pem(std::string_view text, Reader reader) {
  auto read = read_pem(reader.config, text);
  if (const auto* const fault = std::get_if<std::string>(&read)) {
    return wrong(*fault);
  }
  return reader.take_jwk(std::get<Json>(read).get());
}

// Without this, a byte order mark or white space in front would turn a public key into a secret.
std::string_view without_preface(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

}  // namespace

std::optional<std::string> KeyFile::read(std::string_view text, std::vector<JwtKey>& keys) const {
  const CryptoErrors errors;
  if (!alg.empty() && !is_algorithm(alg)) {
    return "alg must be HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 or ES512";
  }
  if (text.size() > kMaxKeyFileBytes) {
    return "it is larger than 1 MiB";
  }
  const Reader reader{config, kid, alg, keys};
  const std::string_view content = without_preface(text);
  KeyVerdict verdict;
  if (content.substr(0, 1) == "{") {
    verdict = take_json(content, reader);
  } else if (content.find("-----BEGIN") != std::string_view::npos) {
    verdict = take_pem(content, reader);
  } else {
    JwtKey key;
    key.kid = kid;
    verdict = Reader(reader).take_secret(without_line_end(text), std::move(key), "");
  }
  if (verdict.kind == KeyVerdict::Kind::kTaken) {
    return std::nullopt;
  }
  return verdict.reason;
}

}  // namespace pgevents
