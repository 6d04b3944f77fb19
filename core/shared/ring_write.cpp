// The ring's writer.
//
// The order of writing makes readers safe without a lock, and a writer safe to kill at any instruction: the new tail
// and floor are published BEFORE a byte is overwritten, the new head only after the entry is complete and linked. State
// is published as a whole.
#include "core/shared/ring.hpp"

#include <algorithm>
#include <cstring>

#include "core/shared/ring_memory.hpp"

namespace pgevents {

using namespace ring;

namespace {

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

void Ring::reset(std::uint64_t id) noexcept {
  recover();
  empty(id, 0, load().epoch + 1);
}

// One publication: all entries of the chains are then before the new tail. The head moves too, so that a reader waiting
// at the old head gets kLost.
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
      // Memory was refused: treated as too large. The log has the event.
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

// Gives up the oldest entries until the data area has room up to `new_head`. False if an entry is damaged.
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
  std::atomic_thread_fence(
      std::memory_order_release);  // a reader that sees a byte written from now on also sees this tail
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

// A writer killed before it published leaves at most one bucket and one `next` that point to or behind the head. They
// harm no reader, but the bytes there will be written again; `repairs` shows it to readers that followed them.
void Ring::recover() noexcept {
  if (header_->writing.load(std::memory_order_acquire) == 0) {
    return;
  }
  State state = load();
  unlink_unpublished(state);
  ++state.repairs;
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

// Walks all entries once after a writer was killed, so that no damaged entry is kept.
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
