// The layout of the ring in shared memory. Internal to ring_layout.cpp, ring_write.cpp and ring_read.cpp.
//
// Header, buckets, data. Positions are absolute byte offsets that only grow, also over reset(); physical() maps them
// into the data. An entry never wraps: a skip entry fills the end of the data. A bucket contains the position of the
// newest entry whose channel's hash falls into it; from there the entries of the bucket are chained in both directions.
// All shared words are atomics, so accesses are not data races in the language's sense, on any CPU.
#pragma once

#include <cstring>

#include "core/shared/ring.hpp"

namespace pgevents {
namespace ring {

using Word = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 8, "shared words need lock-free 64-bit atomics");

constexpr std::uint64_t kMagic = 0x676e69722d657670;  // "pve-ring"
constexpr std::uint64_t kLayoutVersion = 2;
constexpr std::uint64_t kMaxEntryBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxNameBytes = 0xffff;
constexpr std::size_t kBytesPerBucket = 1024;
constexpr std::uint64_t kStates = 8;

// The words of an entry. Behind them: channel, type and JSON text, each padded to whole words.
enum EntryWord : std::size_t {
  kSizes,  // of the entry (32 bits, bit 0 marks a skip entry, which has only this word), the channel and the type
  kHash,   // of the channel
  kId,
  kExpires,
  kPrev,  // position of the newest older entry of the same bucket, 0 = none
  kNext,  // position of the oldest newer entry of the same bucket, 0 = none yet
  kJson,  // bytes of the JSON text, offset of the inner data in it
  kData,  // bytes of the inner data; low half of the entry's position, as a check
  kEntryWords,
};
constexpr std::uint64_t kEntryHeaderBytes = kEntryWords * sizeof(Word);
constexpr std::uint64_t kSkip = 1;

constexpr std::uint64_t round_up8(std::uint64_t bytes) noexcept {
  return (bytes + 7) & ~std::uint64_t{7};
}
constexpr std::uint64_t pack(std::uint64_t low, std::uint64_t high) noexcept {
  return low | (high << 32);
}
constexpr std::uint64_t low_half(std::uint64_t word) noexcept {
  return word & 0xffffffff;
}
constexpr std::uint64_t high_half(std::uint64_t word) noexcept {
  return word >> 32;
}
constexpr std::uint64_t entry_size(std::uint64_t sizes) noexcept {
  return low_half(sizes) & ~std::uint64_t{7};
}

inline std::uint64_t get(const Word& word) noexcept {
  return word.load(std::memory_order_relaxed);
}
inline void put(Word& word, std::uint64_t value) noexcept {
  word.store(value, std::memory_order_relaxed);
}

}  // namespace ring

// The values that a reader must see as of one instant. All zero is not a state: create() publishes the first
// generation.
struct Ring::State {
  std::uint64_t generation = 0;  // number of the publication
  std::uint64_t tail = 0;        // position of the oldest entry
  std::uint64_t head = 0;        // position behind the newest entry
  std::uint64_t floor = 0;
  std::uint64_t last_id = 0;
  std::int64_t last_ts_us = 0;
  std::uint64_t epoch = 0;
  std::uint64_t repairs = 0;  // counts recover(), after which bytes are rewritten that no tail has passed
};

struct Ring::Header {
  // Set by create(), `magic` last.
  Word magic;
  Word version;
  Word size;
  // The writer's note of what it is about to link: recover() undoes it if the entry was not published.
  Word writing;
  Word pending_bucket;
  Word pending_prev;  // the bucket's value before
  Word key[2];        // of hash()

  // The latest state is states[generation % kStates]. Because there are several, only kStates - 1 publications during a
  // reader's copy, not one, make the reader begin again.
  Word generation;
  Word spare_of_generation[7];
  Word states[ring::kStates][8];
};

struct Ring::Layout {
  std::uint64_t buckets = 0;
  std::uint64_t data_bytes = 0;
};

}  // namespace pgevents
