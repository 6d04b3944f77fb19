// The ring's layout, its published state and its writer; ring_reader.cpp reads.
//
// The order of writing is what makes readers without a lock and writers killed at any instruction safe: the new tail
// and floor are published BEFORE a byte is overwritten, and the new head only when the entry is complete and linked.
// What a reader must see at one instant (State) is published as a whole.
#include "core/shared/ring.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

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

// Copies text into words and returns the word behind it; the last word is filled up with zeros.
Word* put_text(Word* to, std::string_view text) noexcept {
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t value;
    std::memcpy(&value, text.data(), sizeof value);
    put(*to++, value);
    text.remove_prefix(sizeof value);
  }
  if (!text.empty()) {
    std::uint64_t value = 0;
    std::memcpy(&value, text.data(), text.size());
    put(*to++, value);
  }
  return to;
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
  // The buckets' own bytes may lift the size over the next power of two, which doubles the buckets.
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
  // cppcheck-suppress shiftTooManyBits ; it takes the type for one of 64 bits
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
    state.mendings = get(words[6]);
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
  put(words[6], state.mendings);
  header_->generation.store(generation, std::memory_order_release);
}

// True when no byte at or behind `pos` was overwritten before this call. Pairs with the release fence in evict().
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

std::int64_t Ring::last_ts_us() const noexcept {
  return load().last_ts_us;
}

// --- writer ---

void Ring::reset(std::uint64_t id) noexcept {
  recover();
  empty(id, 0, load().epoch + 1);
}

// One publication: what the chains still say lies before the new tail. The head moves too, so that a reader who waits
// at the old one learns that he missed something.
void Ring::empty(std::uint64_t id, std::int64_t ts_us, std::uint64_t epoch) noexcept {
  State state = load();
  state.head = round_up8(state.head + sizeof(Word));
  state.tail = state.head;
  state.floor = state.last_id = id;
  state.last_ts_us = ts_us;
  state.epoch = epoch;
  publish(state);
}

bool Ring::append(const EventView& event, std::int64_t expires_ms) noexcept {
  recover();
  State state = load();
  if (event.id <= state.last_id) {
    return false;
  }

  const std::uint64_t limit = std::min(data_size_ / 4, kMaxEntryBytes);
  const std::size_t names = event.channel.size() + event.type.size();
  JsonSpan span;
  std::uint64_t bytes = limit + 1;
  if (event.channel.size() <= kMaxNameBytes && event.type.size() <= kMaxNameBytes &&
      names + event.data.size() <= limit) {
    try {
      json_.clear();
      span = append_json(json_, event);
      bytes =
          kEntryHeaderBytes + round_up8(event.channel.size()) + round_up8(event.type.size()) + round_up8(json_.size());
    } catch (...) {
      // No memory for it: as if it were too large. The log has it.
    }
  }
  if (bytes > limit) {
    empty(event.id, event.ts_us, state.epoch);
  } else {
    store(state, event, expires_ms, span, bytes);
  }
  return true;
}

void Ring::store(State& state, const EventView& event, std::int64_t expires_ms, JsonSpan span,
                 std::uint64_t bytes) noexcept {
  const std::uint64_t channel_hash = hash(event.channel);
  Word& bucket = buckets_[channel_hash & bucket_mask_];
  put(header_->pending_bucket, channel_hash & bucket_mask_);
  put(header_->pending_prev, get(bucket));
  header_->writing.store(1, std::memory_order_release);

  const std::uint64_t offset = physical(state.head);
  const std::uint64_t gap = offset + bytes > data_size_ ? data_size_ - offset : 0;
  if (!evict(state, state.head + gap + bytes)) {
    empty(event.id, event.ts_us, state.epoch);
  } else {
    if (gap > 0) {
      put(*at(state.head), gap | kSkip);
    }
    const std::uint64_t pos = state.head + gap;
    const std::uint64_t newest = get(bucket);
    const bool linked = newest >= state.tail && newest < state.head && header_fits(newest);
    const std::uint64_t prev = linked ? newest : 0;
    write_entry(pos, event, expires_ms, span, channel_hash, prev);
    bucket.store(pos, std::memory_order_release);
    if (prev != 0) {
      at(prev)[kNext].store(pos, std::memory_order_release);
    }

    state.head = pos + bytes;
    state.last_id = event.id;
    state.last_ts_us = event.ts_us;
    publish(state);
  }
  header_->writing.store(0, std::memory_order_release);
}

// Gives up the oldest entries until the data area has room up to `new_head`. False when an entry makes no sense.
bool Ring::evict(State& state, std::uint64_t new_head) noexcept {
  if (state.head - state.tail > data_size_) {
    return false;
  }
  const std::uint64_t old_tail = state.tail;
  while (new_head - state.tail > data_size_) {
    const Word* entry = at(state.tail);
    const std::uint64_t sizes = get(entry[kSizes]);
    const std::uint64_t size = entry_size(sizes);
    if (size == 0 || size > state.head - state.tail) {
      return false;
    }
    if ((sizes & kSkip) == 0) {
      state.floor = get(entry[kId]);
    }
    state.tail += size;
  }
  if (state.tail != old_tail) {
    publish(state);
  }
  std::atomic_thread_fence(std::memory_order_release);  // whoever sees a byte written from now on sees this tail, too
  return true;
}

void Ring::write_entry(std::uint64_t pos, const EventView& event, std::int64_t expires_ms, JsonSpan span,
                       std::uint64_t hash, std::uint64_t prev) noexcept {
  Word* entry = at(pos);
  Word* text = put_text(entry + kEntryWords, event.channel);
  text = put_text(text, event.type);
  text = put_text(text, json_);
  const auto bytes = static_cast<std::uint64_t>(text - entry) * sizeof(Word);
  put(entry[kSizes], pack(bytes, event.channel.size() | (event.type.size() << 16)));
  put(entry[kHash], hash);
  put(entry[kId], event.id);
  put(entry[kExpires], static_cast<std::uint64_t>(expires_ms));
  put(entry[kPrev], prev);
  put(entry[kNext], 0);
  put(entry[kJson], pack(json_.size(), span.data_offset));
  put(entry[kData], pack(span.data_size, low_half(pos)));
}

// A writer killed before he published leaves at most one bucket and one `next` that point to or behind the head. They
// harm no reader, but the bytes there will be written again. `mendings` tells readers who followed them.
void Ring::recover() noexcept {
  if (header_->writing.load(std::memory_order_acquire) == 0) {
    return;
  }
  State state = load();
  unlink_unpublished(state);
  ++state.mendings;
  publish(state);
  if (!sound(state)) {
    empty(state.last_id, state.last_ts_us, state.epoch);
  }
  header_->writing.store(0, std::memory_order_release);
}

void Ring::unlink_unpublished(const State& state) noexcept {
  Word& bucket = buckets_[get(header_->pending_bucket) & bucket_mask_];
  const std::uint64_t prev = get(header_->pending_prev);
  if (get(bucket) >= state.head) {
    put(bucket, prev);
  }
  if (prev >= state.tail && prev < state.head && header_fits(prev) && get(at(prev)[kNext]) >= state.head) {
    put(at(prev)[kNext], 0);
  }
}

// Walks all entries, once, after a writer was killed: whatever else he did to the memory, no nonsense is kept.
bool Ring::sound(const State& state) const noexcept {
  if (state.head - state.tail > data_size_) {
    return false;
  }
  std::uint64_t pos = state.tail;
  std::uint64_t id = state.floor;
  while (pos != state.head) {
    std::uint64_t size = 0;
    if (open(pos, state, size) != Read::kOk) {
      return false;
    }
    const std::uint64_t next_id = get(at(pos)[kId]);
    if (next_id <= id) {
      return false;
    }
    id = next_id;
    pos += size;
  }
  return id == state.last_id;
}

}  // namespace pgevents
