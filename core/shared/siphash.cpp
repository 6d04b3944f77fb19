// See siphash.hpp.
#include "core/shared/siphash.hpp"

#include <sys/random.h>

#include <cstddef>
#include <cstring>
#include <ctime>

namespace pgevents {
namespace {

constexpr std::uint64_t rotate(std::uint64_t word, int bits) noexcept {
  return (word << bits) | (word >> (64 - bits));
}

std::uint64_t little_endian(const char* bytes, std::size_t size) noexcept {
  std::uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(&word, bytes, size);
#else
  for (std::size_t i = 0; i < size; ++i) word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
#endif
  return word;
}

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1;
    v1 = rotate(v1, 13) ^ v0;
    v0 = rotate(v0, 32);
    v2 += v3;
    v3 = rotate(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotate(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotate(v1, 17) ^ v2;
    v2 = rotate(v2, 32);
  }

  void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

SipKey random_sip_key() noexcept {
  SipKey key;
  if (getrandom(key.words, sizeof key.words, 0) != static_cast<ssize_t>(sizeof key.words)) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    key.words[0] ^= static_cast<std::uint64_t>(now.tv_nsec) ^ (static_cast<std::uint64_t>(now.tv_sec) << 30);
    key.words[1] ^= reinterpret_cast<std::uintptr_t>(&key);
  }
  return key;
}

std::uint64_t siphash(const SipKey& key, std::string_view text) noexcept {
  constexpr std::size_t kWord = 8;
  State state{key.words[0] ^ 0x736f6d6570736575, key.words[1] ^ 0x646f72616e646f6d, key.words[0] ^ 0x6c7967656e657261,
              key.words[1] ^ 0x7465646279746573};
  const std::uint64_t last = std::uint64_t{text.size()} << 56;
  for (; text.size() >= kWord; text.remove_prefix(kWord)) {
    state.absorb(little_endian(text.data(), kWord));
  }
  state.absorb(last | little_endian(text.data(), text.size()));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    state.round();
  }
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace pgevents
