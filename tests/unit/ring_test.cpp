// What the ring guarantees to one process: contents, floor, chains, lost positions, layout. Kills and races are in
// ring_stress_test, damaged memory in ring_damage_test.
#include "core/shared/ring.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring_memory.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(a_new_ring_is_empty) {
  SharedMemory memory(Ring::memory_size(Ring::kMinDataBytes));
  std::memset(memory.data(), 0xa5, memory.size());
  Ring ring;
  ck_assert(ring.create(memory.data(), memory.size(), {}));
  const Ring::Snapshot now = ring.snapshot();
  ck_assert_uint_eq(now.floor, 0);
  ck_assert_uint_eq(now.last_id, 0);
  ck_assert_int_eq(ring.last_ts_us(), 0);
  RingEvent event;
  std::uint64_t hash, id, next, pos;
  ck_assert(ring.read(now.head_pos, event) == Ring::Read::kEnd);
  ck_assert(ring.peek(now.head_pos, hash, id, next) == Ring::Read::kEnd);
  ck_assert(ring.find_after("cheese", 0, pos) == Ring::Read::kEnd);
}
END_TEST

START_TEST(an_event_is_read_as_it_was_appended) {
  TestRing test;
  const std::uint64_t start = test.ring.snapshot().head_pos;
  const EventView event{434, "cheese", 1406125522481000, "cheese_created", "{\"pieces\":92}"};
  ck_assert(test.ring.append(event, 777));
  RingEvent read;
  ck_assert(test.ring.read(start, read) == Ring::Read::kOk);
  ck_assert_uint_eq(read.id, 434);
  ck_assert_int_eq(read.expires_ms, 777);
  ck_assert_str_eq(read.channel.c_str(), "cheese");
  ck_assert_str_eq(read.type.c_str(), "cheese_created");
  ck_assert_str_eq(read.json.c_str(),
                   "{\"id\":434,\"channel_id\":\"cheese\",\"ts\":1406125522.481000,"
                   "\"data\":{\"type\":\"cheese_created\",\"data\":{\"pieces\":92}}}");
  ck_assert(read.json.substr(read.data.data_offset, read.data.data_size) == event.data);
  ck_assert_uint_eq(read.pos, start);
  ck_assert_uint_eq(read.next_pos, test.ring.snapshot().head_pos);
  ck_assert_int_eq(test.ring.last_ts_us(), 1406125522481000);
}
END_TEST

START_TEST(texts_of_every_length_are_read_back) {
  TestRing test;
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string text(size, 'x');
    const std::string data = '"' + text + '"';
    const EventView event{2 + size, text, 0, text, data};
    const std::uint64_t pos = test.ring.snapshot().head_pos;
    ck_assert(test.ring.append(event, 0));
    RingEvent read;
    ck_assert(test.ring.read(pos, read) == Ring::Read::kOk);
    ck_assert(read.channel == text && read.type == text);
    ck_assert(read.json.substr(read.data.data_offset, read.data.data_size) == data);
  }
}
END_TEST

START_TEST(ids_not_greater_than_the_newest_are_ignored) {
  TestRing test;
  ck_assert(test.ring.append(small_event(10, "a"), 0));
  const Ring::Snapshot before = test.ring.snapshot();
  ck_assert(!test.ring.append(small_event(10, "a"), 0));
  ck_assert(!test.ring.append(small_event(9, "a"), 0));
  ck_assert_uint_eq(test.ring.snapshot().head_pos, before.head_pos);
  ck_assert_uint_eq(test.ring.snapshot().last_id, 10);
}
END_TEST

START_TEST(the_ring_stays_sound_while_it_wraps_many_times) {
  TestRing test(Ring::kMinDataBytes + 1000);  // not a power of two
  for (int i = 0; i < 20000; ++i) {
    append_next(test.ring);
    if (i % 97 == 0) {
      assert_sound(test.ring);
    }
  }
  ck_assert_uint_gt(test.ring.snapshot().head_pos, 50 * Ring::kMinDataBytes);
}
END_TEST

START_TEST(the_floor_is_the_id_of_the_newest_event_that_was_overwritten) {
  TestRing test;
  std::uint64_t id = 10;
  while (test.ring.snapshot().floor == kFirstId) {
    test.ring.append(small_event(id += 10, "a"), 0);
  }
  ck_assert_uint_eq(test.ring.snapshot().floor, 20);
  ck_assert(channel_ids(test.ring, "a", 20).front() == 30);
  std::uint64_t pos;
  ck_assert(test.ring.find_after("a", 19, pos) == Ring::Read::kLost);
}
END_TEST

START_TEST(memory_of_the_requested_size_is_used) {
  // The number of buckets doubles at powers of two.
  for (const std::size_t data : {65536, 65544, 100000, 131064, 131072, 131080, 261640, 262136, 262144, 300000}) {
    TestRing test(data);
    std::uint64_t id = 10000;
    while (test.ring.snapshot().floor == kFirstId) {
      test.ring.append(small_event(++id, "abc"), 0);
    }
    std::uint64_t oldest = 0;
    ck_assert(test.ring.find_after("abc", test.ring.snapshot().floor, oldest) == Ring::Read::kOk);
    const std::uint64_t kept = test.ring.snapshot().head_pos - oldest;
    ck_assert_msg(kept <= data + 8 && kept + 200 > data, "%zu bytes hold %zu", data, std::size_t{kept});
  }
}
END_TEST

START_TEST(the_bytes_of_its_events_are_known) {
  TestRing test;
  ck_assert_uint_eq(test.ring.bytes_used(), 0);
  append_next(test.ring, 10);
  const std::uint64_t some = test.ring.bytes_used();
  ck_assert_uint_gt(some, 10 * 64);
  append_next(test.ring, 2'000);
  ck_assert_uint_gt(test.ring.bytes_used(), some);
  ck_assert_uint_gt(test.ring.bytes_used(), test.ring.bytes_size() / 2);
  ck_assert_uint_le(test.ring.bytes_used(), test.ring.bytes_size());
  test.ring.reset(test.ring.snapshot().last_id);
  ck_assert_uint_eq(test.ring.bytes_used(), 0);
}
END_TEST

START_TEST(an_event_of_a_quarter_of_the_ring_fits) {
  TestRing test;
  append_next(test.ring, 500);
  const std::string data(Ring::kMinDataBytes / 4 - 200, ' ');
  const std::uint64_t id = test.ring.snapshot().last_id + 1;
  ck_assert(test.ring.append(small_event(id, "big", data), 0));
  ck_assert(channel_ids(test.ring, "big", id - 1) == std::vector<std::uint64_t>{id});
  ck_assert_uint_lt(test.ring.snapshot().floor, id - 1);
}
END_TEST

START_TEST(an_event_too_large_empties_the_ring_and_keeps_the_epoch) {
  TestRing test;
  append_next(test.ring, 100);
  const Ring::Snapshot before = test.ring.snapshot();
  const std::string data(Ring::kMinDataBytes / 4, ' ');
  const std::uint64_t id = before.last_id + 5;
  ck_assert(test.ring.append(small_event(id, "big", data), 0));
  const Ring::Snapshot now = test.ring.snapshot();
  ck_assert_uint_eq(now.floor, id);
  ck_assert_uint_eq(now.last_id, id);
  ck_assert_uint_eq(now.epoch, before.epoch);
  ck_assert_int_eq(test.ring.last_ts_us(), 1700000000000000);
  RingEvent event;
  std::uint64_t pos;
  ck_assert(test.ring.read(before.head_pos, event) == Ring::Read::kLost);
  ck_assert(test.ring.find_after("big", id - 1, pos) == Ring::Read::kLost);
  ck_assert(test.ring.find_after("big", id, pos) == Ring::Read::kEnd);
}
END_TEST

START_TEST(a_name_too_long_for_an_entry_counts_as_too_large) {
  TestRing test(1 << 20);
  const std::string name(70000, 'n');
  ck_assert(test.ring.append(small_event(5, name), 0));
  ck_assert_uint_eq(test.ring.snapshot().floor, 5);
}
END_TEST

START_TEST(channels_of_one_bucket_do_not_mix) {
  TestRing test;  // 64 buckets, 300 channels
  std::uint64_t id = kFirstId;
  for (int i = 0; i < 300; ++i) {
    test.ring.append(small_event(++id, "c" + std::to_string(i)), 0);
  }
  for (int i = 0; i < 300; ++i) {
    test.ring.append(small_event(++id, "c" + std::to_string(i)), 0);
  }
  const std::uint64_t floor = test.ring.snapshot().floor;
  for (std::uint64_t i = 0; i < 300; ++i) {
    std::vector<std::uint64_t> expected;
    if (2 + i > floor) {
      expected.push_back(2 + i);
    }
    if (302 + i > floor) {
      expected.push_back(302 + i);
    }
    ck_assert(channel_ids(test.ring, "c" + std::to_string(i), floor) == expected);
  }
}
END_TEST

START_TEST(channels_with_the_same_hash_do_not_mix) {
  TestRing test;
  const std::string one = "a";
  const std::string other = neighbour_of(test.ring, one);
  for (std::uint64_t id = 10; id < 20; ++id) {
    const std::uint64_t pos = test.ring.snapshot().head_pos;
    test.ring.append(small_event(id, id % 2 == 0 ? one : other), 0);
    words_at(test, pos)[ring::kHash] = test.ring.hash(one);  // as if it were the same
  }
  ck_assert((channel_ids(test.ring, one, kFirstId) == std::vector<std::uint64_t>{10, 12, 14, 16, 18}));
}
END_TEST

START_TEST(find_after_gives_the_oldest_event_behind_the_cursor) {
  TestRing test;
  for (std::uint64_t id = 10; id <= 50; id += 10) {
    test.ring.append(small_event(id, "a"), 0);
    test.ring.append(small_event(id + 1, "b"), 0);
  }
  ck_assert((channel_ids(test.ring, "a", kFirstId) == std::vector<std::uint64_t>{10, 20, 30, 40, 50}));
  ck_assert((channel_ids(test.ring, "a", 20) == std::vector<std::uint64_t>{30, 40, 50}));
  ck_assert((channel_ids(test.ring, "b", 30) == std::vector<std::uint64_t>{31, 41, 51}));
  ck_assert(channel_ids(test.ring, "a", 50).empty());
  ck_assert(channel_ids(test.ring, "unused", kFirstId).empty());
}
END_TEST

START_TEST(next_in_channel_sees_what_was_appended_since) {
  TestRing test;
  test.ring.append(small_event(10, "a"), 0);
  std::uint64_t pos, next;
  ck_assert(test.ring.find_after("a", kFirstId, pos) == Ring::Read::kOk);
  ck_assert(test.ring.next_in_channel(pos, "a", next) == Ring::Read::kEnd);
  test.ring.append(small_event(11, "b"), 0);
  ck_assert(test.ring.next_in_channel(pos, "a", next) == Ring::Read::kEnd);
  test.ring.append(small_event(12, "a"), 0);
  ck_assert(test.ring.next_in_channel(pos, "a", next) == Ring::Read::kOk);
  RingEvent event;
  ck_assert(test.ring.read(next, event) == Ring::Read::kOk);
  ck_assert_uint_eq(event.id, 12);
}
END_TEST

START_TEST(a_position_that_was_overwritten_is_lost) {
  TestRing test;
  test.ring.append(small_event(10, "a"), 0);
  std::uint64_t pos, hash, other, next;
  ck_assert(test.ring.find_after("a", kFirstId, pos) == Ring::Read::kOk);
  std::uint64_t id = 10;
  while (test.ring.snapshot().floor < 10) {
    test.ring.append(small_event(++id, "a"), 0);
  }
  RingEvent event;
  ck_assert(test.ring.read(pos, event) == Ring::Read::kLost);
  ck_assert(test.ring.peek(pos, hash, other, next) == Ring::Read::kLost);
  ck_assert(test.ring.next_in_channel(pos, "a", next) == Ring::Read::kLost);
}
END_TEST

START_TEST(a_position_that_never_was_one_is_lost) {
  TestRing test;
  append_next(test.ring, 10);
  const std::uint64_t head = test.ring.snapshot().head_pos;
  RingEvent event;
  std::uint64_t next;
  for (const std::uint64_t pos : {std::uint64_t{0}, head - 1, head - 4, head + 8, ~std::uint64_t{0}}) {
    ck_assert(test.ring.read(pos, event) == Ring::Read::kLost);
    ck_assert(test.ring.next_in_channel(pos, "a", next) == Ring::Read::kLost);
  }
}
END_TEST

START_TEST(reset_voids_positions_and_begins_a_new_epoch) {
  TestRing test;
  append_next(test.ring, 50);
  const Ring::Snapshot before = test.ring.snapshot();
  std::uint64_t old_pos;
  ck_assert(test.ring.find_after(channel_name(channel_number(before.last_id)), before.last_id - 1, old_pos) ==
            Ring::Read::kOk);
  test.ring.reset(7);  // below the newest id: the database was restored
  const Ring::Snapshot now = test.ring.snapshot();
  ck_assert_uint_eq(now.floor, 7);
  ck_assert_uint_eq(now.last_id, 7);
  ck_assert_uint_ne(now.epoch, before.epoch);
  ck_assert_int_eq(test.ring.last_ts_us(), 0);
  RingEvent event;
  ck_assert(test.ring.read(old_pos, event) == Ring::Read::kLost);
  ck_assert_msg(test.ring.read(before.head_pos, event) == Ring::Read::kLost,
                "who waited at the old head missed something");
  ck_assert(test.ring.read(now.head_pos, event) == Ring::Read::kEnd);
  assert_sound(test.ring);
  append_next(test.ring, 2000);
  assert_sound(test.ring);
}
END_TEST

START_TEST(an_attached_ring_reads_and_writes_the_same_events) {
  TestRing test;
  append_next(test.ring, 300);
  Ring other;
  ck_assert(other.attach(test.memory.data(), test.memory.size()));
  assert_sound(other);
  append_next(other, 300);
  assert_sound(test.ring);
  ck_assert_uint_eq(test.ring.snapshot().last_id, other.snapshot().last_id);
}
END_TEST

START_TEST(attach_rejects_memory_without_a_ring_of_this_layout) {
  TestRing test;
  Ring other;
  const SharedMemory nothing(test.memory.size());
  ck_assert(!other.attach(nothing.data(), nothing.size()));
  ck_assert(!other.attach(test.memory.data(), test.memory.size() - 8));
  ck_assert(!other.attach(test.memory.data(), 0));
  for (const int word : {0, 1, 2}) {  // magic, layout version, size
    auto* const words = static_cast<std::uint64_t*>(test.memory.data());
    words[word] += 1;
    ck_assert(!other.attach(test.memory.data(), test.memory.size()));
    words[word] -= 1;
  }
  ck_assert(other.attach(test.memory.data(), test.memory.size()));
}
END_TEST

START_TEST(create_rejects_memory_that_is_too_small) {
  const SharedMemory memory(Ring::memory_size(0));
  Ring ring;
  ck_assert(!ring.create(memory.data(), memory.size() - 8, {}));
  ck_assert(ring.create(memory.data(), memory.size(), {}));
}
END_TEST

START_TEST(recover_changes_nothing_if_no_writer_was_killed) {
  TestRing test;
  append_next(test.ring, 700);
  const Ring::Snapshot before = test.ring.snapshot();
  test.ring.recover();
  ck_assert_uint_eq(test.ring.snapshot().head_pos, before.head_pos);
  ck_assert_uint_eq(test.ring.snapshot().floor, before.floor);
  assert_sound(test.ring);
}
END_TEST

START_TEST(recover_empties_a_ring_with_damaged_entries) {
  TestRing test;
  append_next(test.ring, 700);
  const std::uint64_t last_id = test.ring.snapshot().last_id;
  auto* const words = static_cast<std::uint64_t*>(test.memory.data());
  words[3] = 1;  // `writing`: as a killed writer leaves it
  const std::size_t header_and_buckets = test.memory.size() - Ring::kMinDataBytes;
  std::memset(reinterpret_cast<char*>(words) + header_and_buckets, 0xff, Ring::kMinDataBytes / 2);
  test.ring.recover();
  ck_assert_uint_eq(test.ring.snapshot().floor, last_id);
  append_next(test.ring, 700);
  assert_sound(test.ring);
}
END_TEST

}  // namespace

int main() {
  return run("ring", {
                         a_new_ring_is_empty,
                         an_event_is_read_as_it_was_appended,
                         texts_of_every_length_are_read_back,
                         ids_not_greater_than_the_newest_are_ignored,
                         the_ring_stays_sound_while_it_wraps_many_times,
                         the_floor_is_the_id_of_the_newest_event_that_was_overwritten,
                         memory_of_the_requested_size_is_used,
                         the_bytes_of_its_events_are_known,
                         an_event_of_a_quarter_of_the_ring_fits,
                         an_event_too_large_empties_the_ring_and_keeps_the_epoch,
                         a_name_too_long_for_an_entry_counts_as_too_large,
                         channels_of_one_bucket_do_not_mix,
                         channels_with_the_same_hash_do_not_mix,
                         find_after_gives_the_oldest_event_behind_the_cursor,
                         next_in_channel_sees_what_was_appended_since,
                         a_position_that_was_overwritten_is_lost,
                         a_position_that_never_was_one_is_lost,
                         reset_voids_positions_and_begins_a_new_epoch,
                         an_attached_ring_reads_and_writes_the_same_events,
                         attach_rejects_memory_without_a_ring_of_this_layout,
                         create_rejects_memory_that_is_too_small,
                         recover_changes_nothing_if_no_writer_was_killed,
                         recover_empties_a_ring_with_damaged_entries,
                     });
}
