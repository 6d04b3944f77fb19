// The table of revocations: what it rejects, what happens without room, and readers beside a writer that works, is
// stopped or killed at any point.
#include "core/shared/revocations.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "checks.hpp"
#include "process_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

struct Table {
  explicit Table(std::size_t size = 1024) : slots(size), memory(Revocations::memory_size(size)) {
    std::memset(memory.data(), 0xa5, memory.size());
    revocations.create(memory.data(), slots);
  }
  Revocations* operator->() { return &revocations; }
  std::size_t slots;
  SharedMemory memory;
  Revocations revocations;
};

std::string user(std::size_t number) {
  return "user-" + std::to_string(number);
}

// --- rejected tokens ---

START_TEST(an_empty_table_rejects_no_token) {
  Table table;
  for (const std::int64_t issued : {std::int64_t{0}, std::int64_t{1}, kForEver, std::int64_t{-5}}) {
    ck_assert(!table->rejects("10", issued));
  }
}
END_TEST

START_TEST(tokens_issued_before_are_rejected) {
  Table table;
  table->set("10", 1000);
  ck_assert(table->rejects("10", 999));
  ck_assert(!table->rejects("10", 1000));
  ck_assert(!table->rejects("10", 1001));
}
END_TEST

START_TEST(the_table_says_how_many_users_it_holds) {
  Table table;
  ck_assert_uint_eq(table->used(), 0);
  for (std::size_t i = 0; i < 20; ++i) {
    table->set(user(i % 10), 1000);
  }
  ck_assert_uint_eq(table->used(), 10);
  table->set(user(3), 0);
  ck_assert_uint_eq(table->used(), 9);
}
END_TEST

START_TEST(a_token_that_does_not_say_when_is_old) {
  Table table;
  table->set("10", 1);
  ck_assert(table->rejects("10", 0));
  ck_assert(table->rejects("10", -7));
}
END_TEST

START_TEST(others_are_not_rejected) {
  Table table;
  table->set("10", kForEver);
  for (const char* const other : {"1", "100", "", "1O", "10 ", "user:10"}) {
    ck_assert(!table->rejects(other, 0));
  }
  table->set(std::string(255, 'x'), kForEver);
  ck_assert(table->rejects(std::string(255, 'x'), 5));
  ck_assert(!table->rejects(std::string(254, 'x'), 5));
}
END_TEST

START_TEST(the_last_call_for_a_user_counts) {
  Table table;
  table->set("10", 1000);
  table->set("10", 2000);
  ck_assert(table->rejects("10", 1999));
  table->set("10", 500);
  ck_assert(!table->rejects("10", 500));
  ck_assert(table->rejects("10", 499));
  table->set("10", kForEver);
  ck_assert(table->rejects("10", kForEver - 1));
}
END_TEST

START_TEST(zero_removes_the_entry) {
  Table table;
  table->set("10", kForEver);
  table->set("10", 0);
  ck_assert(!table->rejects("10", 0));
  table->set("11", 0);
  ck_assert(!table->rejects("11", 0));
  table->set("10", 1000);
  ck_assert(table->rejects("10", 999));
  table->set("10", -1);  // a time before 1970
  ck_assert(!table->rejects("10", 0));
}
END_TEST

// --- room ---

START_TEST(a_removed_entry_leaves_room) {
  Table table(16);
  for (std::size_t i = 0; i < 1000; ++i) {
    table->set(user(i), kForEver);
    if (i >= 15) {
      table->set(user(i - 15), 0);
    }
  }
  ck_assert(!table->rejects("another user", 0));
  for (std::size_t i = 985; i < 1000; ++i) {
    ck_assert(table->rejects(user(i), 5));
  }
}
END_TEST

START_TEST(being_set_again_takes_no_room) {
  Table table(16);
  for (std::int64_t time = 1; time < 1000; ++time) {
    table->set(user(time % 16), time);
  }
  ck_assert(!table->rejects("another user", 0));
  for (std::size_t i = 0; i < 16; ++i) {
    ck_assert(table->rejects(user(i), 900));
  }
}
END_TEST

START_TEST(without_room_the_oldest_goes_and_all_tokens_from_before_it_are_rejected) {
  Table table(16);
  for (std::size_t i = 0; i < 16; ++i) {
    table->set(user(i), static_cast<std::int64_t>(1000 + i));
  }
  ck_assert(!table->rejects("another user", 0));
  table->set("one more", 5000);
  ck_assert(table->rejects("one more", 4999));
  ck_assert(table->rejects(user(0), 999));  // the user who lost the slot
  ck_assert(table->rejects("another user", 999));
  ck_assert(!table->rejects("another user", 1000));
  for (std::size_t i = 1; i < 16; ++i) {
    ck_assert(table->rejects(user(i), static_cast<std::int64_t>(1000 + i - 1)));
    ck_assert(!table->rejects(user(i), static_cast<std::int64_t>(1000 + i)));
  }
}
END_TEST

START_TEST(a_new_entry_that_is_the_oldest_is_dropped) {
  Table table(16);
  for (std::size_t i = 0; i < 16; ++i) {
    table->set(user(i), 1000);
  }
  table->set("one more", 500);
  ck_assert(table->rejects("one more", 499));
  ck_assert(!table->rejects("one more", 500));
  ck_assert(table->rejects("another user", 499));
  ck_assert(!table->rejects("another user", 500));
  for (std::size_t i = 0; i < 16; ++i) {
    ck_assert(table->rejects(user(i), 999));
  }
}
END_TEST

START_TEST(the_floor_does_not_sink) {
  Table table(16);
  for (std::size_t i = 0; i < 17; ++i) {
    table->set(user(i), 1000);
  }
  ck_assert(table->rejects("another user", 999));
  for (std::size_t i = 0; i < 17; ++i) {
    table->set(user(i), 0);
  }
  for (std::size_t i = 0; i < 17; ++i) {
    table->set(user(i), 10);
  }
  ck_assert(table->rejects("another user", 999));
  ck_assert(!table->rejects("another user", 1000));
}
END_TEST

// Any number of users, in any order of times: no revoked token is accepted.
START_TEST(nothing_is_forgotten_when_there_are_too_many) {
  Table table(64);
  std::uint64_t random = 1;
  std::vector<std::int64_t> times;
  for (std::size_t i = 0; i < 2000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    times.push_back(static_cast<std::int64_t>(random >> 40) + 1);
    table->set(user(i), times.back());
    for (std::size_t k = 0; k <= i; k += 1 + i / 50) {
      ck_assert(table->rejects(user(k), times[k] - 1));
    }
  }
}
END_TEST

// A user has a slot in either of two blocks, so that no block is full long before the others.
START_TEST(the_modules_table_has_room_for_14000_users) {
  Table table(16384);
  for (std::size_t i = 0; i < 14000; ++i) {
    table->set(user(i), kForEver);
  }
  ck_assert(!table->rejects("another user", 0));
  for (std::size_t i = 0; i < 14000; ++i) {
    ck_assert(table->rejects(user(i), 5));
  }
}
END_TEST

// --- memory ---

START_TEST(a_table_is_attached_by_its_size_only) {
  Table table(64);
  Revocations other;
  const SharedMemory nothing(table.memory.size());
  ck_assert(!other.attach(nothing.data(), 64));
  ck_assert(!other.attach(table.memory.data(), 32));
  ck_assert(other.attach(table.memory.data(), 64));
  table->set("10", 1000);
  ck_assert(other.rejects("10", 999));
}
END_TEST

START_TEST(create_empties_the_table) {
  Table table(16);
  for (std::size_t i = 0; i < 20; ++i) {
    table->set(user(i), 1000);
  }
  table->create(table.memory.data(), table.slots);
  for (std::size_t i = 0; i < 20; ++i) {
    ck_assert(!table->rejects(user(i), 0));
  }
}
END_TEST

// --- other processes ---

struct Shared {
  std::atomic<std::uint64_t> progress;
  std::atomic<bool> stop;
};

// Two users take one slot in turn: a reader would be wrong with the time of the other user, or half of it.
int take_turns(Table& table, Shared& shared) {
  while (!shared.stop.load()) {
    table->set("short", 1000);
    table->set("short", 0);
    table->set("long", kForEver);
    table->set("long", 0);
    shared.progress.fetch_add(1);
  }
  return 0;
}

START_TEST(a_slot_is_never_read_half) {
  Table table(16);
  const SharedMemory memory(sizeof(Shared));
  auto& shared = *static_cast<Shared*>(memory.data());
  Child writer([&] { return take_turns(table, shared); });
  std::size_t refused = 0;
  std::size_t let_in = 0;
  const auto enough = [&] { return shared.progress.load() > 1000 && refused > 100 && let_in > 100; };
  for (const std::int64_t deadline = now_us() + 1000000; goes_on(deadline, enough);) {
    for (int i = 0; i < 1000; ++i) {
      ck_assert(!table->rejects("short", 1000));
      ck_assert(!table->rejects("another user", 0));
      ++(table->rejects("long", 5000) ? refused : let_in);
    }
  }
  shared.stop = true;
  ck_assert_int_eq(writer.wait(), 0);
}
END_TEST

// Revokes one user after the other, far more than fit, and reports each.
int revoke_all(Table& table, Shared& shared) {
  while (!shared.stop.load()) {
    const std::uint64_t next = shared.progress.load() + 1;
    table->set(user(next), static_cast<std::int64_t>(next) * 10);
    shared.progress.store(next);
  }
  return 0;
}

// The newest users are in their slots or just losing them.
void expect_all_refused(Table& table, const Shared& shared) {
  const std::uint64_t done = shared.progress.load();
  for (std::uint64_t back = 0; back < 60 && back < done; ++back) {
    ck_assert(table->rejects(user(done - back), static_cast<std::int64_t>(done - back) * 10 - 1));
  }
}

START_TEST(a_reader_misses_no_revocation_while_slots_change_their_users) {
  Table table(32);
  const SharedMemory memory(sizeof(Shared));
  auto& shared = *static_cast<Shared*>(memory.data());
  Child writer([&] { return revoke_all(table, shared); });
  const auto enough = [&shared] { return shared.progress.load() > 1000; };
  for (const std::int64_t deadline = now_us() + 1000000; goes_on(deadline, enough);) {
    expect_all_refused(table, shared);
  }
  shared.stop = true;
  ck_assert_int_eq(writer.wait(), 0);
}
END_TEST

START_TEST(killed_writers_leave_a_table_that_works) {
  Table table(32);
  const SharedMemory memory(sizeof(Shared));
  auto& shared = *static_cast<Shared*>(memory.data());
  int kills = 0;
  for (const std::int64_t deadline = now_us() + 1000000; goes_on(deadline, [&] { return kills > 20; }); ++kills) {
    const std::uint64_t before = shared.progress.load();
    Child victim([&] { return revoke_all(table, shared); });
    ck_assert(wait_until([&] { return shared.progress.load() > before; }));
    for (const std::int64_t until = now_us() + kills % 20; now_us() < until;) {
      continue;
    }
    victim.kill_and_reap();
    expect_all_refused(table, shared);
    ck_assert(!table->rejects("another user", kForEver));
    table->set("10", kForEver);
    ck_assert(table->rejects("10", kForEver - 1));
    table->set("10", 0);
  }
}
END_TEST

START_TEST(a_stopped_writer_blocks_no_reader) {
  Table table(32);
  const SharedMemory memory(sizeof(Shared));
  auto& shared = *static_cast<Shared*>(memory.data());
  const Child writer([&] { return revoke_all(table, shared); });
  const std::int64_t deadline = now_us() + 2000000;
  for (int i = 0; i < 200 && goes_on(deadline, [i] { return i >= 20; }); ++i) {
    const std::uint64_t before = shared.progress.load();
    ck_assert(wait_until([&] { return shared.progress.load() > before; }));
    writer.signal(SIGSTOP);
    waitpid(writer.pid(), nullptr, WUNTRACED);
    const double before_it = cpu_seconds();
    expect_all_refused(table, shared);
    ck_assert(cpu_seconds() - before_it < 0.5);
    writer.signal(SIGCONT);
  }
}
END_TEST

}  // namespace

int main() {
  return run("revocations", {
                                an_empty_table_rejects_no_token,
                                tokens_issued_before_are_rejected,
                                the_table_says_how_many_users_it_holds,
                                a_token_that_does_not_say_when_is_old,
                                others_are_not_rejected,
                                the_last_call_for_a_user_counts,
                                zero_removes_the_entry,
                                a_removed_entry_leaves_room,
                                being_set_again_takes_no_room,
                                without_room_the_oldest_goes_and_all_tokens_from_before_it_are_rejected,
                                a_new_entry_that_is_the_oldest_is_dropped,
                                the_floor_does_not_sink,
                                nothing_is_forgotten_when_there_are_too_many,
                                the_modules_table_has_room_for_14000_users,
                                a_table_is_attached_by_its_size_only,
                                create_empties_the_table,
                                a_slot_is_never_read_half,
                                a_reader_misses_no_revocation_while_slots_change_their_users,
                                killed_writers_leave_a_table_that_works,
                                a_stopped_writer_blocks_no_reader,
                            });
}
