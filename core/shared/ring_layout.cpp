// The ring's layout in its memory and its published state; ring_write.cpp writes, ring_read.cpp reads.
#include <algorithm>
#include <limits>

#include "core/shared/ring.hpp"
#include "core/shared/ring_memory.hpp"

namespace pgevents {

using namespace ring;

namespace {

std::uint64_t floor_power_of_two(std::uint64_t n) noexcept {
  std::uint64_t power = 1;
  while (power <= n / 2) {
    power *= 2;
  }
  return power;
}

}  // namespace

// --- layout ---

Ring::Layout Ring::layout(std::size_t size) noexcept {
  if (size < sizeof(Header) + kMinDataBytes) {
    return {};
  }
  const std::uint64_t usable = size - sizeof(Header);
  const std::uint64_t buckets = floor_power_of_two(usable / kBytesPerBucket);
  return {buckets, (usable - buckets * sizeof(Word)) & ~std::uint64_t{7}};
}

std::size_t Ring::memory_size(std::size_t data_bytes) noexcept {
  const std::size_t data = round_up8(std::max(data_bytes, kMinDataBytes));
  const std::uint64_t buckets = floor_power_of_two(data / kBytesPerBucket);
  const std::size_t size = sizeof(Header) + data + buckets * sizeof(Word);
  // The buckets' own bytes may raise the size past the next power of two, which doubles the buckets.
  return layout(size).data_bytes >= data ? size : size + buckets * sizeof(Word);
}

void Ring::use(void* memory, const Layout& layout) noexcept {
  header_ = static_cast<Header*>(memory);
  buckets_ = reinterpret_cast<Word*>(header_ + 1);
  data_ = buckets_ + layout.buckets;
  bucket_mask_ = layout.buckets - 1;
  data_size_ = layout.data_bytes;
  reciprocal_ = std::numeric_limits<std::uint64_t>::max() / data_size_;
}

bool Ring::create(void* memory, std::size_t size, const SipKey& key) noexcept {
  if (size < memory_size(kMinDataBytes)) {
    return false;
  }
  use(memory, layout(size));
  put(header_->magic, 0);
  for (Word* word = &header_->version; word != reinterpret_cast<Word*>(header_ + 1); ++word) {
    put(*word, 0);
  }
  for (std::uint64_t i = 0; i <= bucket_mask_; ++i) {
    put(buckets_[i], 0);
  }
  put(header_->version, kLayoutVersion);
  put(header_->size, size);
  for (int i = 0; i < 2; ++i) {
    put(header_->key[i], key.words[i]);
  }
  key_ = key;
  State state;
  state.tail = state.head = data_size_;  // not 0, which means "none" in chains
  state.epoch = 1;
  publish(state);
  header_->magic.store(kMagic, std::memory_order_release);
  return true;
}

bool Ring::attach(void* memory, std::size_t size) noexcept {
  if (size < memory_size(kMinDataBytes)) {
    return false;
  }
  const auto* header = static_cast<const Header*>(memory);
  if (header->magic.load(std::memory_order_acquire) != kMagic) {
    return false;
  }
  if (get(header->version) != kLayoutVersion || get(header->size) != size) {
    return false;
  }
  use(memory, layout(size));
  for (int i = 0; i < 2; ++i) {
    key_.words[i] = get(header->key[i]);
  }
  return true;
}

// pos % data_size_ without a division: with reciprocal = floor((2^64 - 1) / size) the quotient is short by one at most.
std::uint64_t Ring::physical(std::uint64_t pos) const noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  // cppcheck-suppress shiftTooManyBits ; it assumes a type of 64 bits
  const auto quotient = static_cast<std::uint64_t>((Wide{pos} * reciprocal_) >> 64);
  const std::uint64_t rest = pos - quotient * data_size_;
  return rest >= data_size_ ? rest - data_size_ : rest;
#else
  return pos % data_size_;
#endif
}

Ring::Word* Ring::at(std::uint64_t pos) const noexcept {
  return data_ + physical(pos) / sizeof(Word);
}

// --- the published state ---

Ring::State Ring::load() const noexcept {
  State state;
  for (;;) {
    state.generation = header_->generation.load(std::memory_order_acquire);
    const Word* words = header_->states[state.generation % kStates];
    state.tail = get(words[0]);
    state.head = get(words[1]);
    state.floor = get(words[2]);
    state.last_id = get(words[3]);
    state.last_ts_us = static_cast<std::int64_t>(get(words[4]));
    state.epoch = get(words[5]);
    state.repairs = get(words[6]);
    std::atomic_thread_fence(std::memory_order_acquire);
    // The words are rewritten for generation + kStates, after generation + kStates - 1 was published.
    if (get(header_->generation) - state.generation < kStates - 1) {
      return state;
    }
  }
}

void Ring::publish(const State& state) noexcept {
  const std::uint64_t generation = get(header_->generation) + 1;
  Word* words = header_->states[generation % kStates];
  std::atomic_thread_fence(std::memory_order_release);  // see load(): the last generation is visible before these words
  put(words[0], state.tail);
  put(words[1], state.head);
  put(words[2], state.floor);
  put(words[3], state.last_id);
  put(words[4], static_cast<std::uint64_t>(state.last_ts_us));
  put(words[5], state.epoch);
  put(words[6], state.repairs);
  header_->generation.store(generation, std::memory_order_release);
}

// True if no byte at or behind `pos` was overwritten before this call. Pairs with the release fence in evict().
bool Ring::holds(std::uint64_t pos, const State& seen) const noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
  if (get(header_->generation) == seen.generation) {
    return true;
  }
  return load().tail <= pos;
}

Ring::Snapshot Ring::snapshot() const noexcept {
  const State state = load();
  return {state.floor, state.last_id, state.head, state.epoch};
}

std::uint64_t Ring::bytes_used() const noexcept {
  const State state = load();
  return state.head - state.tail;
}

std::int64_t Ring::last_ts_us() const noexcept {
  return load().last_ts_us;
}

}  // namespace pgevents
