// What verified tokens said, so that a client's next long poll within a minute costs no signature. A worker's own.
//
// Only tokens that were found good are in it. Whoever asks judges the claims by the clock each time (expiry,
// revocation): the cache only knows that the signature was right.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "core/jwt/claims.hpp"

namespace pgevents {

class TokenCache {
 public:
  static constexpr std::size_t kMaxEntries = 8192;
  static constexpr double kMaxAge = 60;  // seconds

  using Digest = std::array<std::uint8_t, 32>;
  // SHA-256 of the token, which may only be kept in this form; nothing when libcrypto fails.
  static std::optional<Digest> digest(std::string_view token) noexcept;

  // Null: not here, or not any more. `now` is in seconds; where it goes back, nothing from before counts.
  std::shared_ptr<const Claims> find(const Digest& digest, double now) noexcept;
  void put(const Digest& digest, std::shared_ptr<const Claims> claims, double now);
  std::size_t size() const noexcept { return young_.size() + old_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const Claims> claims;
    double since;
  };
  struct FirstBytes {
    std::size_t operator()(const Digest& digest) const noexcept;
  };
  using Generation = std::unordered_map<Digest, Entry, FirstBytes>;

  void come_to(double now) noexcept;
  void next_generation(double now) noexcept;

  Generation young_;  // where new entries go, up to half of all
  Generation old_;    // what was young before; goes as a whole
  double young_since_ = 0;
  double last_now_ = 0;
};

}  // namespace pgevents
