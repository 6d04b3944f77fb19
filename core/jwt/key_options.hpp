// What the operator writes about a key file, the same in nginx.conf and in the fallback's options: `FILE [kid=ID]
// [alg=ALG]`. The front-ends find the file and read it; JwtKeys::add() judges what is in it.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgevents {

inline constexpr std::size_t kMaxKeys = 64;

// Far more than a set of the most keys that are taken.
inline constexpr std::size_t kMaxKeyFileBytes = std::size_t{1} << 20;
// The reason why a front-end rejects a file before it reads it: reading a pipe or a device could block.
inline constexpr char kNotKeyFile[] = "not a regular file of at most 1 MiB; name the file of the key";

// Views of the operator's text.
struct KeyOptions {
  std::string_view kid;  // empty: not given
  std::string_view alg;

  // Takes `kid=…` or `alg=…`. False if `text` is neither, is empty behind the `=`, or was given before.
  bool take(std::string_view text) noexcept;
};

// Whether a file that JwtKeys::add() accepts has a secret in it, not only public keys.
bool holds_secret(std::string_view text) noexcept;

}  // namespace pgevents
