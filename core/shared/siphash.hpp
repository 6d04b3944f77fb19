// SipHash-2-4 (Aumasson, Bernstein, 2012): a short keyed hash, for tables whose keys clients choose. Without the key a
// client cannot construct names that collide.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgevents {

struct SipKey {
  std::uint64_t words[2] = {};
};

// From the kernel's generator. If that fails, which it does not on a running system, from clock and address: the key
// only makes attacks harder, correctness does not depend on it.
SipKey random_sip_key() noexcept;

std::uint64_t siphash(const SipKey& key, std::string_view text) noexcept;

}  // namespace pgevents
