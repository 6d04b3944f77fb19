// The listener's lease and the table of wait ids, also with holders that were killed and with processes that race.
#include "core/shared/shared_state.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "checks.hpp"
#include "process_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::int64_t kTtl = 1000;
// A function: Check may fork for each test.
std::uint64_t me() {
  return owner_word(static_cast<std::uint32_t>(getpid()), 1);
}

std::uint64_t owner_of(const Child& child) {
  return owner_word(static_cast<std::uint32_t>(child.pid()), 1);
}

// --- holders ---

START_TEST(a_holder_is_dead_when_its_process_is_gone) {
  const Child other(sleep_for_ever);
  ck_assert(!owner_is_dead(me()));
  ck_assert(!owner_is_dead(owner_of(other)));
  ck_assert(!owner_is_dead(owner_word(1, 1)));  // lives, whether we may send it signals or not
  ck_assert(owner_is_dead(owner_word(dead_pid(), 1)));
}
END_TEST

START_TEST(numbers_that_kill_takes_for_groups_are_no_holders) {
  ck_assert(owner_is_dead(owner_word(0, 1)));
  ck_assert(owner_is_dead(owner_word(0xffffffff, 1)));
  ck_assert(owner_is_dead(owner_word(0x80000001, 1)));
}
END_TEST

// --- lease ---

START_TEST(a_free_lease_is_given_to_the_first) {
  Lease lease;
  ck_assert(lease.try_acquire(me(), 100, kTtl));
  ck_assert(lease.owned_by(me()));
}
END_TEST

START_TEST(a_lease_is_kept_from_others_until_it_runs_out) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  ck_assert(!lease.try_acquire(me(), 100 + kTtl - 1, kTtl));
  ck_assert(lease.owned_by(owner_of(other)));
  ck_assert(lease.try_acquire(me(), 100 + kTtl, kTtl));
  ck_assert(lease.owned_by(me()));
  ck_assert(!lease.try_acquire(owner_of(other), 100 + kTtl, kTtl));
}
END_TEST

START_TEST(a_holder_renews_its_lease) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  ck_assert(lease.try_acquire(owner_of(other), 900, kTtl));
  ck_assert(!lease.try_acquire(me(), 900 + kTtl - 1, kTtl));
}
END_TEST

START_TEST(a_lease_that_another_had_meanwhile_is_not_renewed_even_when_it_is_free_again) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(!lease.renew(me(), 100, kTtl));  // never had it
  ck_assert(lease.try_acquire(me(), 100, kTtl));
  ck_assert(lease.renew(me(), 900, kTtl));
  ck_assert(!lease.try_acquire(owner_of(other), 900 + kTtl - 1, kTtl));
  ck_assert(lease.renew(me(), 900 + kTtl, kTtl));  // late, but nobody has come
  ck_assert(lease.try_acquire(owner_of(other), 900 + 2 * kTtl, kTtl));
  ck_assert(!lease.renew(me(), 900 + 2 * kTtl, kTtl));
  lease.release(owner_of(other));
  ck_assert(!lease.renew(me(), 900 + 2 * kTtl, kTtl));
  ck_assert(lease.try_acquire(me(), 900 + 2 * kTtl, kTtl));
}
END_TEST

START_TEST(a_released_lease_is_free_at_once) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  lease.release(me());
  ck_assert(lease.owned_by(owner_of(other)));  // it was not ours
  lease.release(owner_of(other));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

START_TEST(the_lease_of_a_dead_holder_is_free_at_once) {
  Lease lease;
  ck_assert(lease.try_acquire(owner_word(dead_pid(), 1), 100, kTtl));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

START_TEST(the_lease_of_a_former_process_of_our_number_is_free_at_once) {
  Lease lease;
  ck_assert(lease.try_acquire(owner_word(static_cast<std::uint32_t>(getpid()), 0), 100, kTtl));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

// --- races: every process tries every item at about the same time, and counts what it got ---

constexpr int kRacers = 3;
constexpr std::uint32_t kItems = 3000;
constexpr std::uint32_t kLeastItems = 200;  // of a busy machine, where a meeting takes long
constexpr std::int64_t kRaceUs = 3000000;

struct RaceCount {
  std::atomic<int> arrived;
  std::atomic<int> tried;
  std::atomic<int> winners;
};

void meet(std::atomic<int>& arrived) {
  arrived.fetch_add(1);
  for (int i = 0; i < 2000 && arrived.load() < kRacers; ++i) {
    if (i > 100) {
      sched_yield();
    }
  }
}

template <typename Try>
void race(RaceCount* counts, Try wins) {
  std::vector<Child> racers;
  const std::int64_t deadline = now_us() + kRaceUs;
  for (int r = 0; r < kRacers; ++r) {
    racers.emplace_back([counts, wins, deadline] {
      const std::uint64_t me = owner_word(static_cast<std::uint32_t>(getpid()), 1);
      for (std::uint32_t i = 0; i < kItems && goes_on(deadline, [i] { return i >= kLeastItems; }); ++i) {
        meet(counts[i].arrived);
        if (wins(i, me)) {
          counts[i].winners.fetch_add(1);
        }
        counts[i].tried.fetch_add(1);
      }
      counts[kItems].arrived.fetch_add(1);
      return sleep_for_ever();  // who is gone would hold nothing
    });
  }
  const bool done = wait_until([counts] { return counts[kItems].arrived.load() == kRacers; });
  ck_assert_msg(done, "the racers did not come to an end");
  std::uint32_t judged = 0;
  for (std::uint32_t i = 0; i < kItems; ++i) {
    if (counts[i].tried.load() < kRacers) {
      continue;
    }
    ck_assert_int_eq(counts[i].winners.load(), 1);
    ++judged;
  }
  ck_assert_uint_ge(judged, kLeastItems);
}

START_TEST(one_of_many_gets_a_lease_that_ran_out) {
  const SharedMemory counts((kItems + 1) * sizeof(RaceCount));
  const SharedMemory leases(kItems * sizeof(Lease));
  const Child former(sleep_for_ever);
  auto* const lease = static_cast<Lease*>(leases.data());
  for (std::uint32_t i = 0; i < kItems; ++i) {
    lease[i].owner = owner_of(former);
    lease[i].until_ms = 10;
  }
  race(static_cast<RaceCount*>(counts.data()),
       [lease](std::uint32_t i, std::uint64_t me) { return lease[i].try_acquire(me, 100, kTtl); });
}
END_TEST

// --- wait ids ---

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

START_TEST(only_the_holder_releases_a_wait_id) {
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

START_TEST(a_table_full_of_dead_holders_has_room) {
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

START_TEST(a_release_does_not_hide_those_who_came_later) {
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
  Table table(16 * kItems);  // room for all, wherever they fall
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

START_TEST(a_stopped_process_holds_nobody_up) {
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
    ck_assert(cpu_seconds() - before_it < 0.5);  // that it returns at all is the point: the other one stands still
    other.signal(SIGCONT);
  }
}
END_TEST

}  // namespace

int main() {
  return run("shared_state", {
                                 a_holder_is_dead_when_its_process_is_gone,
                                 numbers_that_kill_takes_for_groups_are_no_holders,
                                 a_free_lease_is_given_to_the_first,
                                 a_lease_is_kept_from_others_until_it_runs_out,
                                 a_holder_renews_its_lease,
                                 a_lease_that_another_had_meanwhile_is_not_renewed_even_when_it_is_free_again,
                                 a_released_lease_is_free_at_once,
                                 the_lease_of_a_dead_holder_is_free_at_once,
                                 the_lease_of_a_former_process_of_our_number_is_free_at_once,
                                 one_of_many_gets_a_lease_that_ran_out,
                                 a_wait_id_in_use_is_busy_until_it_is_released,
                                 a_wait_id_is_busy_for_all_processes,
                                 only_the_holder_releases_a_wait_id,
                                 the_wait_id_of_a_dead_process_is_free,
                                 a_full_table_has_no_room_until_one_is_released,
                                 a_table_full_of_dead_holders_has_room,
                                 a_release_does_not_hide_those_who_came_later,
                                 a_table_is_attached_by_its_size_only,
                                 one_of_many_gets_a_wait_id,
                                 a_wait_id_is_held_by_one_at_a_time,
                                 killed_processes_leave_a_table_that_works,
                                 a_stopped_process_holds_nobody_up,
                             });
}
