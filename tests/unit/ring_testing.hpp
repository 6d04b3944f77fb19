// What the ring's tests share: events whose every byte follows from their id, and the check of the ring's
// whole invariant. The ids of the test log have gaps: next_id() says which one follows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring.hpp"
#include "core/shared/ring_memory.hpp"
#include "core/wire/event.hpp"
#include "process_testing.hpp"

namespace pgevents::testing {

inline std::uint64_t mix(std::uint64_t n) {
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
  n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
  return n ^ (n >> 31);
}

// A small generator whose sequence is the same in every run.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

constexpr std::uint64_t kFirstId = 1;
constexpr std::size_t kChannels = 12;

inline std::uint64_t next_id(std::uint64_t id) {
  return id + 1 + mix(id) % 3;
}

inline std::string channel_name(std::size_t number) {
  return "channel-" + std::string(number, '.') + std::to_string(number);
}
// From this id on the test log has other events: what a writer was writing when it was killed need not be the event
// that follows.
inline std::uint64_t other_history_from = ~std::uint64_t{0};
inline std::uint64_t seed_of(std::uint64_t id) {
  return id >= other_history_from ? mix(id) : id;
}
inline std::size_t channel_number(std::uint64_t id) {
  return mix(seed_of(id) + 77) % kChannels;
}

// Owns the texts that an EventView points to.
struct TestEvent {
  explicit TestEvent(std::uint64_t event_id) : id(event_id), channel(channel_name(channel_number(id))) {
    const std::uint64_t random = mix(seed_of(id) + 1234567);
    type = "type" + std::to_string(random % 1000);
    std::size_t size = random % 400;
    if (random % 64 == 5) {
      size += 5000;
    }
    data = "{\"of\":" + std::to_string(id) + ",\"text\":\"";
    for (std::size_t i = 0, letters = 0; i < size; ++i, letters >>= 8) {
      if (i % 8 == 0) {
        letters = mix(id * 8191 + i);
      }
      data += static_cast<char>('a' + (letters & 0xff) % 26);
    }
    data += "\"}";
  }
  EventView view() const { return {id, channel, ts_us(), type, data}; }
  std::int64_t ts_us() const { return static_cast<std::int64_t>(1700000000000000 + id); }
  std::int64_t expires_ms() const { return static_cast<std::int64_t>(mix(id) % 3 == 0 ? id : 0); }

  std::uint64_t id;
  std::string channel;
  std::string type;
  std::string data;
};

// True when `read` is, byte for byte, the test event of its id.
inline bool is_whole(const RingEvent& read) {
  const TestEvent event(read.id);
  std::string json;
  append_json(json, event.view());
  return read.channel == event.channel && read.type == event.type && read.json == json &&
         read.expires_ms == event.expires_ms() && read.next_pos > read.pos &&
         std::string_view(read.json).substr(read.data.data_offset, read.data.data_size) == event.data;
}

inline bool append_test_event(Ring& ring, std::uint64_t id) {
  const TestEvent event(id);
  return ring.append(event.view(), event.expires_ms());
}

inline void append_next(Ring& ring, int count = 1) {
  for (; count > 0; --count) {
    append_test_event(ring, next_id(ring.snapshot().last_id));
  }
}

// Checks all guarantees of a ring at rest that was filled with the test log, and returns the first fault.
class Inspection {
 public:
  explicit Inspection(const Ring& ring) : ring_(ring), at_(ring.snapshot()) {
    if (at_.floor > at_.last_id) {
      complain("floor above the newest id");
    }
    for (std::uint64_t id = next_id(at_.floor); id <= at_.last_id; id = next_id(id)) {
      ids_[channel_number(id)].push_back(id);
    }
    for (std::size_t number = 0; number < kChannels && problem_.empty(); ++number) {
      check_channel(number);
    }
    if (problem_.empty()) {
      check_sequence();
    }
  }
  const std::string& problem() const { return problem_; }

 private:
  void complain(const char* what, std::uint64_t id = 0) {
    problem_ = std::string(what) + ", id " + std::to_string(id) + ", floor " + std::to_string(at_.floor) +
               ", last id " + std::to_string(at_.last_id);
  }

  // From every cursor find_after leads to the right entry, and from there the chain to the next one.
  void check_channel(std::size_t number) {
    const std::string channel = channel_name(number);
    std::uint64_t pos = 0;
    if (at_.floor > 0 && ring_.find_after(channel, at_.floor - 1, pos) != Ring::Read::kLost) {
      return complain("not lost");
    }
    std::uint64_t chained = 0;
    std::uint64_t cursor = at_.floor;
    for (const std::uint64_t id : ids_[number]) {
      if (ring_.find_after(channel, cursor, pos) != Ring::Read::kOk) {
        return complain("not found", id);
      }
      if (chained != 0 && chained != pos) {
        return complain("chain leads elsewhere", id);
      }
      if (ring_.read(pos, event_) != Ring::Read::kOk || event_.id != id || !is_whole(event_)) {
        return complain("torn", id);
      }
      const bool last = id == ids_[number].back();
      if (ring_.next_in_channel(pos, channel, chained) != (last ? Ring::Read::kEnd : Ring::Read::kOk)) {
        return complain("chain broken", id);
      }
      if (id == next_id(at_.floor)) {
        oldest_ = pos;
      }
      cursor = id;
    }
    if (ring_.find_after(channel, cursor, pos) != Ring::Read::kEnd) {
      complain("more than there should be", cursor);
    }
  }

  void check_sequence() {
    std::uint64_t pos = oldest_;
    for (std::uint64_t id = next_id(at_.floor); id <= at_.last_id; id = next_id(id)) {
      if (ring_.read(pos, event_) != Ring::Read::kOk || event_.id != id) {
        return complain("sequence broken", id);
      }
      std::uint64_t hash = 0;
      std::uint64_t peeked = 0;
      std::uint64_t next = 0;
      if (ring_.peek(pos, hash, peeked, next) != Ring::Read::kOk || peeked != id || next != event_.next_pos ||
          hash != ring_.hash(event_.channel)) {
        return complain("peek differs", id);
      }
      pos = event_.next_pos;
    }
    if (oldest_ != 0 && pos != at_.head_pos) {
      return complain("sequence does not end at the head");
    }
    if (ring_.read(at_.head_pos, event_) != Ring::Read::kEnd) {
      complain("something behind the head");
    }
  }

  const Ring& ring_;
  Ring::Snapshot at_;
  std::array<std::vector<std::uint64_t>, kChannels> ids_;
  std::uint64_t oldest_ = 0;
  RingEvent event_;
  std::string problem_;
};

struct TestRing {
  explicit TestRing(std::size_t data_bytes = Ring::kMinDataBytes) : memory(Ring::memory_size(data_bytes)) {
    ck_assert(ring.create(memory.data(), memory.size(), {}));
    ring.reset(kFirstId);
  }
  SharedMemory memory;
  Ring ring;
};

inline EventView small_event(std::uint64_t id, std::string_view channel, std::string_view data = "1") {
  return {id, channel, 1700000000000000, "t", data};
}

// The ids of a channel behind a cursor, by find_after and then along the chain.
inline std::vector<std::uint64_t> channel_ids(const Ring& ring, std::string_view channel, std::uint64_t after) {
  std::vector<std::uint64_t> ids;
  std::uint64_t pos = 0;
  RingEvent event;
  for (auto found = ring.find_after(channel, after, pos); found == Ring::Read::kOk;
       found = ring.next_in_channel(pos, channel, pos)) {
    ck_assert(ring.read(pos, event) == Ring::Read::kOk);
    ck_assert(event.channel == channel);
    ids.push_back(event.id);
  }
  return ids;
}

inline void assert_sound(const Ring& ring) {
  const Inspection inspection(ring);
  ck_assert_msg(inspection.problem().empty(), "%s", inspection.problem().c_str());
}

// The entry's words in a ring of the smallest size.
inline std::uint64_t* words_at(const TestRing& test, std::uint64_t pos) {
  auto* const words = static_cast<std::uint64_t*>(test.memory.data());
  return words + (test.memory.size() - Ring::kMinDataBytes + pos % Ring::kMinDataBytes) / 8;
}

// A name of the same bucket as `name`.
inline std::string neighbour_of(const Ring& ring, const std::string& name) {
  for (int i = 0;; ++i) {
    std::string other = "b" + std::to_string(i);
    if ((ring.hash(other) ^ ring.hash(name)) % 64 == 0) {
      return other;
    }
  }
}

}  // namespace pgevents::testing
