// JSON Web Tokens (RFC 7519): the operator's keys, signatures and the claims of a verified token. libjose verifies
// signatures; this class narrows what it accepts to HS*, RS* and ES*, each with a key of its own type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/jwt/claims.hpp"
#include "core/jwt/key_options.hpp"

namespace pgevents {

inline constexpr std::size_t kMaxTokenBytes = 8192;

class JwtKeys {
 public:
  JwtKeys();
  ~JwtKeys();
  JwtKeys(const JwtKeys&) = delete;
  JwtKeys& operator=(const JwtKeys&) = delete;

  // Adds the keys of a file: a JWK or JWK Set (RFC 7517), a public key in PEM (RSA of 2048 to 8192 bits, EC on P-256,
  // P-384 or P-521), or else a secret for HS* of at least 32 bytes, without one line end at the end. An empty `alg`
  // allows all algorithms of the key's type. With an empty `kid` the JWK's own counts; without one the key is tried for
  // every token that names no key. A JWK with another `kid` or `alg` is rejected; in a set it is skipped, as are keys
  // for other uses. Returns the reason of a rejection (then nothing was added), without repeating any part of the key.
  std::optional<std::string> add(std::string_view text, std::string_view kid, std::string_view alg);
  bool empty() const noexcept;

  // Checks form and signature. Claims come from a cache for at most a minute after a token was verified; `now` is in
  // seconds since the Unix epoch. A token with a `kid` is tried with the keys of that kid, others with all.
  using Result = std::variant<std::shared_ptr<const Claims>, TokenFault>;
  Result verify(std::string_view token, double now);
  // How often the claims came from the cache.
  std::uint64_t cache_hits() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgevents
