// Two generations: the older one is dropped as a whole when the younger is full or has reached the age limit, so no
// entry is ever searched for expired ones.
#include "core/jwt/token_cache.hpp"

#include <openssl/evp.h>

#include <cstring>
#include <utility>

namespace pgevents {

std::optional<TokenCache::Digest> TokenCache::digest(std::string_view token) noexcept {
  Digest digest;
  unsigned size = 0;
  if (EVP_Digest(token.data(), token.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

std::size_t TokenCache::FirstBytes::operator()(const Digest& digest) const noexcept {
  std::size_t hash;
  static_assert(sizeof hash <= sizeof(Digest));
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

void TokenCache::next_generation(double now) noexcept {
  old_.clear();
  std::swap(old_, young_);
  young_since_ = now;
}

// If the clock was set back, the age of the entries is unknown. (The negated comparisons catch NaN as well.)
void TokenCache::advance_to(double now) noexcept {
  if (!(now >= last_now_)) {
    young_.clear();
    old_.clear();
    young_since_ = now;
  }
  last_now_ = now;
  if (!(now - young_since_ < kMaxAge)) {
    next_generation(now);
  }
}

std::shared_ptr<const Claims> TokenCache::find(const Digest& digest, double now) noexcept {
  advance_to(now);
  for (const Generation* generation : {&young_, &old_}) {
    const auto found = generation->find(digest);
    if (found != generation->end() && now - found->second.since < kMaxAge) {
      return found->second.claims;
    }
  }
  return nullptr;
}

void TokenCache::put(const Digest& digest, std::shared_ptr<const Claims> claims, double now) {
  advance_to(now);
  if (young_.size() >= kMaxEntries / 2) {
    next_generation(now);
  }
  young_.insert_or_assign(digest, Entry{std::move(claims), now});
}

}  // namespace pgevents
