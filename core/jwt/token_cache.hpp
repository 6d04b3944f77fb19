// Caches the claims of verified tokens, so that a client's next long poll within a minute needs no verification. One
// per worker.
//
// It contains good tokens only. The caller checks expiry and revocation each time: the cache only knows that the
// signature was right.
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
  // SHA-256 of the token; tokens are kept in this form only. Nothing if libcrypto fails.
  static std::optional<Digest> digest(std::string_view token) noexcept;

  // Null: never stored, or expired. `now` is in seconds; if it goes back, all older entries are dropped.
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

  void advance_to(double now) noexcept;
  void next_generation(double now) noexcept;

  Generation young_;  // where new entries go, up to half of all
  Generation old_;    // the former young_; dropped as a whole
  double young_since_ = 0;
  double last_now_ = 0;
};

}  // namespace pgevents
