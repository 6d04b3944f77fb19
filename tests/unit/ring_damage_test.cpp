// Readers of a ring with damaged memory: they may find nothing, but must not read outside the memory or loop for ever.
#include "core/shared/ring.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring_memory.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

void call_everything(const Ring& ring, Random& random, const std::vector<std::uint64_t>& positions) {
  const Ring::Snapshot now = ring.snapshot();
  RingEvent event;
  for (int i = 0; i < 20; ++i) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    const std::uint64_t pos =
        i % 2 == 0 ? positions[random.below(positions.size())] : now.head_pos - 8 * random.below(9000);
    const std::string channel = channel_name(random.below(kChannels));
    if (ring.read(pos, event) == Ring::Read::kOk) {
      ck_assert_uint_le(event.data.data_offset + event.data.data_size, event.json.size());
    }
    (void)ring.peek(pos, a, b, c);
    (void)ring.next_in_channel(pos, channel, a);
    (void)ring.find_after(channel, i % 3 == 0 ? now.floor : now.last_id - random.below(200), a);
  }
}

// The guard page behind the memory, a sanitizer or the time limit ends the program if one of these fails.
START_TEST(readers_survive_any_damage_to_the_memory) {
  TestRing test;
  append_next(test.ring, 2000);
  const auto* const bytes = static_cast<const char*>(test.memory.data());
  const std::vector<char> good(bytes, bytes + test.memory.size());
  std::vector<std::uint64_t> positions;
  for (std::uint64_t back = 8; back < Ring::kMinDataBytes; back += 8) {
    RingEvent event;
    const std::uint64_t pos = test.ring.snapshot().head_pos - back;
    if (test.ring.read(pos, event) == Ring::Read::kOk) {
      positions.push_back(pos);
    }
  }
  ck_assert_uint_gt(positions.size(), 50);

  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    std::memcpy(test.memory.data(), good.data(), good.size());
    auto* const words = static_cast<std::uint64_t*>(test.memory.data());
    // Headers and buckets are a small part of the memory; every other round damages only them.
    const std::size_t range = (round % 2 == 0 ? test.memory.size() : test.memory.size() - Ring::kMinDataBytes) / 8;
    for (std::uint64_t damage = 1 + random.below(round % 3 == 0 ? 2000 : 20); damage > 0; --damage) {
      const std::uint64_t likely = positions[random.below(positions.size())];
      const std::uint64_t values[] = {random.next(), likely, likely + 8 * random.below(9), random.below(100000), 0};
      words[random.below(range)] = values[random.below(5)];
    }
    call_everything(test.ring, random, positions);
  }
}
END_TEST

START_TEST(an_entry_with_a_damaged_word_is_lost_or_fit_to_use) {
  TestRing test;
  const std::uint64_t pos = test.ring.snapshot().head_pos;
  append_next(test.ring, 3);
  RingEvent event;
  for (std::size_t word = 0; word < ring::kEntryWords; ++word) {
    std::uint64_t& damaged = words_at(test, pos)[word];
    const std::uint64_t good = damaged;
    for (int bit = 0; bit < 64; ++bit) {
      damaged = good ^ (std::uint64_t{1} << bit);
      if (test.ring.read(pos, event) != Ring::Read::kOk) {
        continue;
      }
      ck_assert_uint_le(event.data.data_offset + event.data.data_size, event.json.size());
    }
    damaged = good;
  }
  ck_assert(test.ring.read(pos, event) == Ring::Read::kOk && is_whole(event));
}
END_TEST

START_TEST(a_chain_that_runs_in_circles_comes_to_an_end) {
  TestRing test;
  const std::string other = neighbour_of(test.ring, "a");
  const std::uint64_t first = test.ring.snapshot().head_pos;
  for (std::uint64_t id = 10; id < 14; ++id) {
    test.ring.append(small_event(id, id == 10 ? "a" : other), 0);
  }
  RingEvent event;
  ck_assert(test.ring.read(first, event) == Ring::Read::kOk);
  const std::uint64_t second = event.next_pos;
  std::uint64_t* const entry = words_at(test, second);
  std::uint64_t next;
  for (const std::uint64_t to : {second, first}) {
    entry[ring::kNext] = entry[ring::kPrev] = to;
    ck_assert(test.ring.next_in_channel(first, "a", next) == Ring::Read::kLost);
  }
  entry[ring::kPrev] = second;
  ck_assert(test.ring.find_after("a", kFirstId, next) == Ring::Read::kLost);
}
END_TEST

}  // namespace

int main() {
  return run("ring_damage", {
                                readers_survive_any_damage_to_the_memory,
                                an_entry_with_a_damaged_word_is_lost_or_fit_to_use,
                                a_chain_that_runs_in_circles_comes_to_an_end,
                            });
}
