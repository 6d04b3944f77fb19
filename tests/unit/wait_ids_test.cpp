// The table of wait ids, also with owners that were killed and with processes that race.
#include "core/shared/shared_state.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "checks.hpp"
#include "race_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

struct Table {
  explicit Table(std::size_t size = 1024) : slots(size), memory(WaitIds::memory_size(size)) {
    std::memset(memory.data(), 0xa5, memory.size());
    ids.create(memory.data(), slots, {});
  }
  std::size_t slots;
  SharedMemory memory;
  WaitIds ids;
};

START_TEST(a_wait_id_in_use_is_busy_until_it_is_released) {
  Table table;
  std::uint32_t slot = 0;
  std::uint32_t other = 0;
  ck_assert(table.ids.acquire("page-1", me(), slot) == WaitIds::Result::kAcquired);
  ck_assert(table.ids.acquire("page-1", me(), other) == WaitIds::Result::kBusy);
  ck_assert(table.ids.acquire("page-2", me(), other) == WaitIds::Result::kAcquired);
  table.ids.release(slot, me());
  ck_assert(table.ids.acquire("page-1", me(), slot) == WaitIds::Result::kAcquired);
}
END_TEST

START_TEST(a_wait_id_is_busy_for_all_processes) {
  Table table;
  std::uint32_t slot = 0;
  ck_assert(table.ids.acquire("page-1", me(), slot) == WaitIds::Result::kAcquired);
  Child other([&table] {
    WaitIds ids;
    std::uint32_t mine = 0;
    if (!ids.attach(table.memory.data(), table.slots)) {
      return 2;
    }
    const std::uint64_t me = owner_word(static_cast<std::uint32_t>(getpid()), 1);
    return ids.acquire("page-1", me, mine) == WaitIds::Result::kBusy ? 0 : 1;
  });
  ck_assert_int_eq(other.wait(), 0);
}
END_TEST

START_TEST(only_the_owner_releases_a_wait_id) {
  Table table;
  std::uint32_t slot = 0;
  std::uint32_t other = 0;
  ck_assert(table.ids.acquire("page-1", me(), slot) == WaitIds::Result::kAcquired);
  table.ids.release(slot, me() + 1);
  table.ids.release(slot + 1, me());
  table.ids.release(0xffffffff, me());
  ck_assert(table.ids.acquire("page-1", me(), other) == WaitIds::Result::kBusy);
}
END_TEST

START_TEST(the_wait_id_of_a_dead_process_is_free) {
  Table table;
  std::uint32_t slot = 0;
  ck_assert(table.ids.acquire("page-1", owner_word(dead_pid(), 1), slot) == WaitIds::Result::kAcquired);
  ck_assert(table.ids.acquire("page-1", me(), slot) == WaitIds::Result::kAcquired);
  std::uint32_t other = 0;
  ck_assert(table.ids.acquire("page-1", me(), other) == WaitIds::Result::kBusy);
}
END_TEST

START_TEST(a_full_table_has_no_room_until_one_is_released) {
  Table table(16);
  std::vector<std::uint32_t> slots(16);
  for (std::uint32_t i = 0; i < 16; ++i) {
    ck_assert(table.ids.acquire("page-" + std::to_string(i), me(), slots[i]) == WaitIds::Result::kAcquired);
  }
  std::uint32_t slot = 0;
  ck_assert(table.ids.acquire("page-x", me(), slot) == WaitIds::Result::kNoRoom);
  ck_assert(table.ids.acquire("page-7", me(), slot) == WaitIds::Result::kBusy);
  table.ids.release(slots[3], me());
  ck_assert(table.ids.acquire("page-x", me(), slot) == WaitIds::Result::kAcquired);
}
END_TEST

START_TEST(a_table_full_of_dead_owners_has_room) {
  Table table(16);
  const std::uint64_t dead = owner_word(dead_pid(), 1);
  std::uint32_t slot = 0;
  for (int i = 0; i < 16; ++i) {
    table.ids.acquire("page-" + std::to_string(i), dead, slot);
  }
  for (int i = 16; i < 32; ++i) {
    ck_assert(table.ids.acquire("page-" + std::to_string(i), me(), slot) == WaitIds::Result::kAcquired);
  }
}
END_TEST

START_TEST(a_release_does_not_hide_later_wait_ids) {
  Table table(16);
  std::vector<std::uint32_t> slots(16);
  for (std::uint32_t i = 0; i < 16; ++i) {
    table.ids.acquire("page-" + std::to_string(i), me(), slots[i]);
  }
  for (std::uint32_t i = 0; i < 15; ++i) {
    table.ids.release(slots[i], me());
    std::uint32_t slot = 0;
    ck_assert(table.ids.acquire("page-15", me(), slot) == WaitIds::Result::kBusy);
  }
}
END_TEST

START_TEST(a_table_is_attached_by_its_size_only) {
  Table table(64);
  WaitIds ids;
  const SharedMemory nothing(table.memory.size());
  ck_assert(!ids.attach(nothing.data(), 64));
  ck_assert(!ids.attach(table.memory.data(), 32));
  ck_assert(ids.attach(table.memory.data(), 64));
}
END_TEST

START_TEST(one_of_many_gets_a_wait_id) {
  Table table(16 * kItems);  // room for all, whatever their blocks
  const SharedMemory counts((kItems + 1) * sizeof(RaceCount));
  race(static_cast<RaceCount*>(counts.data()), [&table](std::uint32_t i, std::uint64_t me) {
    std::uint32_t slot = 0;
    return table.ids.acquire("page-" + std::to_string(i), me, slot) == WaitIds::Result::kAcquired;
  });
}
END_TEST

struct Turnstile {
  std::atomic<int> inside;
  std::atomic<int> collisions;
  std::atomic<std::uint64_t> passed;
  std::atomic<bool> stop;
};

int pass_until_stopped(Table& table, Turnstile& turnstile) {
  const std::uint64_t me = owner_word(static_cast<std::uint32_t>(getpid()), 1);
  while (!turnstile.stop.load()) {
    std::uint32_t slot = 0;
    if (table.ids.acquire("page", me, slot) != WaitIds::Result::kAcquired) {
      continue;
    }
    if (turnstile.inside.fetch_add(1) != 0) {
      turnstile.collisions.fetch_add(1);
    }
    turnstile.inside.fetch_sub(1);
    turnstile.passed.fetch_add(1);
    table.ids.release(slot, me);
  }
  return 0;
}

START_TEST(a_wait_id_is_held_by_one_at_a_time) {
  Table table(16);
  const SharedMemory memory(sizeof(Turnstile));
  auto& turnstile = *static_cast<Turnstile*>(memory.data());
  std::vector<Child> children;
  for (int i = 0; i < kRacers; ++i) {
    children.emplace_back([&] { return pass_until_stopped(table, turnstile); });
  }
  const auto enough = [&turnstile] { return turnstile.passed.load() > 1000; };
  for (const std::int64_t deadline = now_us() + 500000; goes_on(deadline, enough);) {
    usleep(10000);
  }
  turnstile.stop = true;
  for (Child& child : children) {
    ck_assert_int_eq(child.wait(), 0);
  }
  ck_assert_int_eq(turnstile.collisions.load(), 0);
}
END_TEST

// Acquires and releases wait ids of a small table as fast as it can.
int churn(Table& table, std::atomic<std::uint64_t>& rounds) {
  const std::uint64_t me = owner_word(static_cast<std::uint32_t>(getpid()), 1);
  for (;;) {
    std::uint32_t slot = 0;
    const std::string id = "page-" + std::to_string(rounds.fetch_add(1) % 7);
    if (table.ids.acquire(id, me, slot) == WaitIds::Result::kAcquired) {
      table.ids.release(slot, me);
    }
  }
}

START_TEST(killed_processes_leave_a_table_that_works) {
  Table table(16);
  const SharedMemory memory(sizeof(std::atomic<std::uint64_t>));
  auto& rounds = *static_cast<std::atomic<std::uint64_t>*>(memory.data());
  const std::int64_t deadline = now_us() + 1000000;
  int kills = 0;
  for (; goes_on(deadline, [kills] { return kills > 20; }); ++kills) {
    const std::uint64_t before = rounds.load();
    Child victim([&] { return churn(table, rounds); });
    ck_assert(wait_until([&] { return rounds.load() > before; }));
    for (const std::int64_t until = now_us() + kills % 20; now_us() < until;) {
      continue;
    }
    victim.kill_and_reap();
    std::uint32_t slot = 0;
    for (int i = 0; i < 7; ++i) {
      ck_assert(table.ids.acquire("page-" + std::to_string(i), me(), slot) == WaitIds::Result::kAcquired);
      table.ids.release(slot, me());
    }
  }
}
END_TEST

START_TEST(a_stopped_process_blocks_no_other) {
  Table table(16);
  const SharedMemory memory(sizeof(std::atomic<std::uint64_t>));
  auto& rounds = *static_cast<std::atomic<std::uint64_t>*>(memory.data());
  const Child other([&] { return churn(table, rounds); });
  std::uint32_t slot = 0;
  const std::int64_t deadline = now_us() + 2000000;
  for (int i = 0; i < 200 && goes_on(deadline, [i] { return i >= 20; }); ++i) {
    const std::uint64_t before = rounds.load();
    ck_assert(wait_until([&] { return rounds.load() > before; }));
    other.signal(SIGSTOP);
    waitpid(other.pid(), nullptr, WUNTRACED);
    const double before_it = cpu_seconds();
    if (table.ids.acquire("mine", me(), slot) == WaitIds::Result::kAcquired) {
      table.ids.release(slot, me());
    }
    ck_assert(cpu_seconds() - before_it < 0.5);  // the point is that it returns: the other process is stopped
    other.signal(SIGCONT);
  }
}
END_TEST

}  // namespace

int main() {
  return run("wait_ids", {
                             a_wait_id_in_use_is_busy_until_it_is_released,
                             a_wait_id_is_busy_for_all_processes,
                             only_the_owner_releases_a_wait_id,
                             the_wait_id_of_a_dead_process_is_free,
                             a_full_table_has_no_room_until_one_is_released,
                             a_table_full_of_dead_owners_has_room,
                             a_release_does_not_hide_later_wait_ids,
                             a_table_is_attached_by_its_size_only,
                             one_of_many_gets_a_wait_id,
                             a_wait_id_is_held_by_one_at_a_time,
                             killed_processes_leave_a_table_that_works,
                             a_stopped_process_blocks_no_other,
                         });
}
