// The cache of verified tokens: it saves verifications, is bounded, and keeps nothing for longer than a minute.
#include <limits>

#include "core/jwt/token_cache.hpp"
#include "jwt_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

TokenCache::Digest digest_of(std::size_t number) {
  return TokenCache::digest("token " + std::to_string(number)).value();
}
std::shared_ptr<const Claims> some_claims() {
  return std::make_shared<Claims>();
}

// --- the cache itself ---

START_TEST(what_was_put_in_is_found) {
  TokenCache cache;
  const auto claims = some_claims();
  cache.put(digest_of(1), claims, kNow);
  ck_assert(cache.find(digest_of(1), kNow) == claims);
  ck_assert(cache.find(digest_of(2), kNow) == nullptr);
}
END_TEST

START_TEST(a_digest_is_sha_256) {
  const unsigned char wanted[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  const auto digest = TokenCache::digest("abc").value();
  ck_assert_mem_eq(digest.data(), wanted, sizeof wanted);
}
END_TEST

START_TEST(nothing_is_found_after_a_minute) {
  for (const double put_at : {0.0, 0.5, 30.0, 59.0}) {
    TokenCache cache;
    cache.put(digest_of(0), some_claims(), kNow);  // when the younger generation began
    cache.put(digest_of(1), some_claims(), kNow + put_at);
    ck_assert(cache.find(digest_of(1), kNow + put_at + 59.9) != nullptr);
    ck_assert(cache.find(digest_of(1), kNow + put_at + 60) == nullptr);
  }
}
END_TEST

START_TEST(being_found_makes_nothing_younger) {
  TokenCache cache;
  cache.put(digest_of(1), some_claims(), kNow);
  for (int second = 0; second < 60; ++second) {
    ck_assert(cache.find(digest_of(1), kNow + second) != nullptr);
  }
  ck_assert(cache.find(digest_of(1), kNow + 60) == nullptr);
}
END_TEST

START_TEST(what_was_put_in_again_is_young_again) {
  TokenCache cache;
  cache.put(digest_of(1), some_claims(), kNow);
  const auto claims = some_claims();
  cache.put(digest_of(1), claims, kNow + 50);
  ck_assert(cache.find(digest_of(1), kNow + 100) == claims);
  ck_assert(cache.find(digest_of(1), kNow + 110) == nullptr);
}
END_TEST

// The age of the entries is unknown then.
START_TEST(nothing_from_before_counts_when_the_clock_goes_back) {
  for (const double back : {0.001, 1.0, 30.0, 59.0, 3600.0, kNow, kNow + 100}) {
    TokenCache cache;
    cache.put(digest_of(1), some_claims(), kNow);
    cache.put(digest_of(2), some_claims(), kNow + 50);
    ck_assert(cache.find(digest_of(2), kNow + 50) != nullptr);
    ck_assert(cache.find(digest_of(2), kNow + 50 - back) == nullptr);
    ck_assert(cache.find(digest_of(2), kNow + 50) == nullptr);
  }
}
END_TEST

START_TEST(the_cache_works_on_after_the_clock_went_back) {
  TokenCache cache;
  cache.put(digest_of(1), some_claims(), kNow);
  cache.put(digest_of(2), some_claims(), kNow - 5000);
  ck_assert(cache.find(digest_of(2), kNow - 5000 + 59) != nullptr);
  ck_assert(cache.find(digest_of(2), kNow - 5000 + 60) == nullptr);
}
END_TEST

START_TEST(a_clock_that_leaps_forward_ages_everything) {
  TokenCache cache;
  cache.put(digest_of(1), some_claims(), kNow);
  ck_assert(cache.find(digest_of(1), kNow + 1e9) == nullptr);
  ck_assert(cache.find(digest_of(1), kNow) == nullptr);
}
END_TEST

START_TEST(a_clock_of_nan_finds_nothing) {
  TokenCache cache;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  cache.put(digest_of(1), some_claims(), kNow);
  ck_assert(cache.find(digest_of(1), nan) == nullptr);
  cache.put(digest_of(2), some_claims(), nan);
  ck_assert(cache.find(digest_of(2), nan) == nullptr);
  ck_assert(cache.find(digest_of(2), kNow) == nullptr);
  cache.put(digest_of(3), some_claims(), kNow);
  ck_assert(cache.find(digest_of(3), kNow + 1) != nullptr);
}
END_TEST

START_TEST(the_cache_is_bounded_and_keeps_the_newest) {
  TokenCache cache;
  constexpr std::size_t kTokens = 50000;
  for (std::size_t i = 0; i < kTokens; ++i) {
    cache.put(digest_of(i), some_claims(), kNow + static_cast<double>(i) / 1000);
    ck_assert_uint_le(cache.size(), TokenCache::kMaxEntries);
  }
  const double now = kNow + kTokens / 1000.0;
  for (std::size_t i = kTokens - TokenCache::kMaxEntries / 2; i < kTokens; ++i) {
    ck_assert(cache.find(digest_of(i), now) != nullptr);
  }
  ck_assert(cache.find(digest_of(0), now) == nullptr);
}
END_TEST

// Claims take memory: they must not stay through hours without requests.
START_TEST(old_entries_are_freed) {
  TokenCache cache;
  const std::weak_ptr<const Claims> claims = [&cache] {
    const auto made = some_claims();
    cache.put(digest_of(1), made, kNow);
    return made;
  }();
  cache.find(digest_of(2), kNow + 60);
  cache.find(digest_of(2), kNow + 120);
  ck_assert(claims.expired());
  ck_assert_uint_eq(cache.size(), 0);
}
END_TEST

// --- through JwtKeys ---

std::shared_ptr<const Claims> claims_from(JwtKeys& keys, const std::string& token, double now) {
  const auto result = keys.verify(token, now);
  const auto* const claims = std::get_if<std::shared_ptr<const Claims>>(&result);
  return claims == nullptr ? nullptr : *claims;
}

// The same object again means that no signature was verified.
START_TEST(a_token_is_verified_once_in_a_minute) {
  JwtKeys keys;
  add(keys, public_part(rsa_key()));
  const std::string rs256 = token(rsa_key(), "RS256");
  const auto first = claims_from(keys, rs256, kNow);
  ck_assert(first != nullptr);
  ck_assert(claims_from(keys, rs256, kNow) == first);
  ck_assert(claims_from(keys, rs256, kNow + 59) == first);
  const auto second = claims_from(keys, rs256, kNow + 60);
  ck_assert(second != nullptr && second != first);
  const auto third = claims_from(keys, rs256, kNow + 30);
  ck_assert(third != nullptr && third != second);
  assert_text(third->user, "10");
}
END_TEST

START_TEST(a_token_beside_a_verified_one_is_verified_itself) {
  JwtKeys keys;
  add(keys, kSecret);
  std::string good = token_of(R"({"sub":"10"})");
  assert_text(verdict(keys, good), "good");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'E' : 'A';
    assert_that(verdict(keys, bad) != "good", "taken for the verified one");
  }
}
END_TEST

START_TEST(a_rejected_token_is_not_cached) {
  JwtKeys keys;
  add(keys, std::string(40, 'x'));
  const std::string later = token_of("{}");
  assert_text(verdict(keys, later), "its signature is wrong");
  add(keys, kSecret);
  assert_text(verdict(keys, later), "good");
}
END_TEST

START_TEST(tokens_of_other_keys_are_not_known) {
  JwtKeys first;
  add(first, kSecret);
  assert_text(verdict(first, token_of("{}")), "good");
  JwtKeys second;
  add(second, std::string(40, 'x'));
  assert_text(verdict(second, token_of("{}")), "its signature is wrong");
}
END_TEST

}  // namespace

int main() {
  return run("jwt_cache", {
                              what_was_put_in_is_found,
                              a_digest_is_sha_256,
                              nothing_is_found_after_a_minute,
                              being_found_makes_nothing_younger,
                              what_was_put_in_again_is_young_again,
                              nothing_from_before_counts_when_the_clock_goes_back,
                              the_cache_works_on_after_the_clock_went_back,
                              a_clock_that_leaps_forward_ages_everything,
                              a_clock_of_nan_finds_nothing,
                              the_cache_is_bounded_and_keeps_the_newest,
                              old_entries_are_freed,
                              a_token_is_verified_once_in_a_minute,
                              a_token_beside_a_verified_one_is_verified_itself,
                              a_rejected_token_is_not_cached,
                              tokens_of_other_keys_are_not_known,
                          });
}
