// Channels spread over the buckets, however their names were chosen.
#include "core/shared/ring.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checks.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// How many of `names` fall into the fullest of 64 buckets.
std::size_t fullest_bucket(const Ring& ring, const std::vector<std::string>& names) {
  std::array<std::size_t, 64> buckets{};
  for (const std::string& name : names) {
    ++buckets[ring.hash(name) % 64];
  }
  return *std::max_element(buckets.begin(), buckets.end());
}

// The hash that this ring once had: FNV-1a without a key, with the finaliser of MurmurHash3.
std::uint64_t hash_without_key(std::string_view channel) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : channel) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  for (const std::uint64_t factor : {0xff51afd7ed558ccdULL, 0xc4ceb9fe1a85ec53ULL}) {
    hash = (hash ^ (hash >> 33)) * factor;
  }
  return hash ^ (hash >> 33);
}

struct Names {
  const char* kind;
  bool (*chosen)(const Ring& guess, const std::string& name);
};

// `guess`: a ring with another key, as an attacker might have one.
const Names kNames[] = {
    {"similar", [](const Ring&, const std::string&) { return true; }},
    {"of one bucket without a key",
     [](const Ring&, const std::string& name) { return hash_without_key(name) % 64 == 0; }},
    {"of one bucket with another key",
     [](const Ring& guess, const std::string& name) { return guess.hash(name) % 64 == 0; }},
};

START_TEST(names_spread_however_they_were_chosen) {
  TestRing guess;
  std::vector<std::uint64_t> memory(Ring::memory_size(Ring::kMinDataBytes) / 8);
  for (const Names& names : kNames) {
    for (const SipKey& key : {SipKey{{1, 2}}, SipKey{{0, 1}}, random_sip_key()}) {
      Ring ring;
      ck_assert(ring.create(memory.data(), memory.size() * 8, key));
      std::vector<std::string> chosen;
      for (int i = 0; chosen.size() < 1024; ++i) {
        const std::string name = "user-" + std::to_string(i);
        if (names.chosen(guess.ring, name)) {
          chosen.push_back(name);
        }
      }
      assert_that(fullest_bucket(ring, chosen) < 48, names.kind);  // 16 on average
      Ring attached;
      ck_assert(attached.attach(memory.data(), memory.size() * 8));
      ck_assert_uint_eq(attached.hash("a"), ring.hash("a"));
    }
  }
}
END_TEST

}  // namespace

int main() {
  return run("ring_hash", {
                              names_spread_however_they_were_chosen,
                          });
}
