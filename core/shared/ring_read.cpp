// The ring's readers. They take no lock: a reader copies first and then checks whether the tail has passed what it
// copied (a seqlock whose counter is the tail). Until then all that it reads may be garbage, and is checked before use.
#include <algorithm>
#include <cstring>

#include "core/shared/ring.hpp"
#include "core/shared/ring_memory.hpp"

namespace pgevents {

using namespace ring;

namespace {

const Word* get_text(const Word* from, std::size_t bytes, std::string& out) {
  out.resize(bytes);
  char* to = out.data();
  for (; bytes >= sizeof(std::uint64_t); bytes -= sizeof(std::uint64_t), to += sizeof(std::uint64_t)) {
    const std::uint64_t value = get(*from++);
    std::memcpy(to, &value, sizeof value);
  }
  if (bytes > 0) {
    const std::uint64_t value = get(*from++);
    std::memcpy(to, &value, bytes);
  }
  return from;
}

bool same_text(const Word* words, std::string_view text) noexcept {
  for (; !text.empty(); ++words) {
    const std::uint64_t value = get(*words);
    const std::size_t bytes = std::min(text.size(), sizeof value);
    if (std::memcmp(&value, text.data(), bytes) != 0) {
      return false;
    }
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace

// --- readers ---

bool Ring::header_fits(std::uint64_t pos) const noexcept {
  return pos % sizeof(Word) == 0 && physical(pos) + kEntryHeaderBytes <= data_size_;
}

// Finds the entry at `pos`; behind a skip entry it moves `pos` on. The returned `size` stays inside the data area, even
// if it is garbage because the entry is being overwritten.
Ring::Read Ring::open(std::uint64_t& pos, const State& state, std::uint64_t& size) const noexcept {
  if (pos == state.head) {
    return Read::kEnd;
  }
  if (pos % sizeof(Word) != 0) {
    return Read::kLost;
  }
  for (int skips = 0; skips < 2; ++skips) {
    if (pos < state.tail || pos >= state.head) {
      return Read::kLost;
    }
    const Word* entry = at(pos);
    const std::uint64_t sizes = get(entry[kSizes]);
    size = entry_size(sizes);
    if (size == 0 || size > state.head - pos || physical(pos) + size > data_size_) {
      return Read::kLost;
    }
    if ((sizes & kSkip) == 0) {
      const bool right = size >= kEntryHeaderBytes && high_half(get(entry[kData])) == low_half(pos);
      return right ? Read::kOk : Read::kLost;
    }
    pos += size;
  }
  return Read::kLost;
}

bool Ring::copy_out(const Word* entry, std::uint64_t size, RingEvent& out) const {
  const std::uint64_t names = high_half(get(entry[kSizes]));
  const std::uint64_t json = get(entry[kJson]);
  const std::size_t channel_size = names & 0xffff;
  const std::size_t type_size = names >> 16;
  const std::size_t json_size = low_half(json);
  if (kEntryHeaderBytes + round_up8(channel_size) + round_up8(type_size) + round_up8(json_size) != size) {
    return false;
  }
  out.data.data_offset = high_half(json);
  out.data.data_size = low_half(get(entry[kData]));
  if (out.data.data_offset + out.data.data_size > json_size) {
    return false;
  }

  out.id = get(entry[kId]);
  out.expires_ms = static_cast<std::int64_t>(get(entry[kExpires]));
  const Word* text = get_text(entry + kEntryWords, channel_size, out.channel);
  text = get_text(text, type_size, out.type);
  get_text(text, json_size, out.json);
  return true;
}

Ring::Read Ring::read(std::uint64_t pos, RingEvent& out) const noexcept {
  const State state = load();
  const std::uint64_t asked = pos;
  std::uint64_t size = 0;
  const Read found = open(pos, state, size);
  if (found != Read::kOk) {
    return found;
  }
  try {
    if (!copy_out(at(pos), size, out)) {
      return Read::kLost;
    }
  } catch (...) {
    return Read::kLost;  // no memory for the copy
  }
  out.pos = pos;
  out.next_pos = pos + size;
  return holds(asked, state) ? Read::kOk : Read::kLost;
}

Ring::Read Ring::peek(std::uint64_t pos, std::uint64_t& channel_hash, std::uint64_t& id,
                      std::uint64_t& next_pos) const noexcept {
  const State state = load();
  const std::uint64_t asked = pos;
  std::uint64_t size = 0;
  const Read found = open(pos, state, size);
  if (found != Read::kOk) {
    return found;
  }
  channel_hash = get(at(pos)[kHash]);
  id = get(at(pos)[kId]);
  next_pos = pos + size;
  return holds(asked, state) ? Read::kOk : Read::kLost;
}

// True if the entry belongs to the channel. `room`: bytes from the entry to the end of the data area.
bool Ring::is_of(const Word* entry, std::uint64_t hash, std::string_view channel, std::uint64_t room) const noexcept {
  if (get(entry[kHash]) != hash) {
    return false;
  }
  const std::size_t channel_size = high_half(get(entry[kSizes])) & 0xffff;
  if (channel_size != channel.size() || kEntryHeaderBytes + channel_size > room) {
    return false;
  }
  return same_text(entry + kEntryWords, channel);
}

// Follows the bucket's chain from its newest entry back to `after`. `found`: the oldest entry of `channel` on the way,
// 0 without one. kLost: the chain is damaged, or overwritten meanwhile.
Ring::Read Ring::walk_back(std::string_view channel, std::uint64_t after, const State& state,
                           std::uint64_t& found) const noexcept {
  const std::uint64_t wanted = hash(channel);
  std::uint64_t p = buckets_[wanted & bucket_mask_].load(std::memory_order_acquire);
  if (p > state.tail && p - state.tail > 2 * data_size_) {
    return Read::kLost;  // overwritten meanwhile, or garbage
  }
  while (p >= state.tail) {
    if (!header_fits(p)) {
      return Read::kLost;
    }
    const Word* entry = at(p);
    if (p < state.head) {  // otherwise newer than `state`, or left by a killed writer
      if (get(entry[kId]) <= after) {
        break;
      }
      if (is_of(entry, wanted, channel, data_size_ - physical(p))) {
        found = p;
      }
    }
    const std::uint64_t prev = get(entry[kPrev]);
    if (prev >= p || p - prev < kEntryHeaderBytes) {
      return Read::kLost;
    }
    p = prev;
  }
  return Read::kOk;
}

// `after` >= floor means that the ring has all entries behind `after`; if that still holds at the end, each of them was
// intact during the walk. Entries below the new tail may be garbage, and only lead further down.
Ring::Read Ring::find_after(std::string_view channel, std::uint64_t after, std::uint64_t& pos) const noexcept {
  const State state = load();
  if (after < state.floor) {
    return Read::kLost;
  }
  if (after >= state.last_id) {
    return Read::kEnd;
  }
  std::uint64_t found = 0;
  if (walk_back(channel, after, state, found) != Read::kOk) {
    return Read::kLost;
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  const State now = load();
  if (now.floor > after || now.epoch != state.epoch || now.repairs != state.repairs) {
    return Read::kLost;
  }
  if (found == 0) {
    return Read::kEnd;
  }
  pos = found;
  return found >= now.tail ? Read::kOk : Read::kLost;
}

Ring::Read Ring::next_in_channel(std::uint64_t pos, std::string_view channel, std::uint64_t& next) const noexcept {
  const State state = load();
  std::uint64_t p = pos;
  std::uint64_t size = 0;
  const Read here = open(p, state, size);
  if (here != Read::kOk) {
    return here;
  }
  const std::uint64_t wanted = hash(channel);
  const std::uint64_t other = (get(at(p)[kHash]) ^ wanted) & bucket_mask_;
  if (p != pos || other != 0) {
    return Read::kLost;  // not an entry of this channel
  }
  do {
    const std::uint64_t step = at(p)[kNext].load(std::memory_order_acquire);
    if (step == 0 || step >= state.head) {
      return holds(pos, state) ? Read::kEnd : Read::kLost;
    }
    if (step <= p || step - p < kEntryHeaderBytes || !header_fits(step)) {
      return Read::kLost;
    }
    p = step;
  } while (!is_of(at(p), wanted, channel, data_size_ - physical(p)));
  next = p;
  return holds(pos, state) ? Read::kOk : Read::kLost;
}

}  // namespace pgevents
