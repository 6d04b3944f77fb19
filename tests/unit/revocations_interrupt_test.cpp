// The table of revocations, one machine instruction at a time: a reader between any two instructions of a writer, and a
// writer between any two of a reader. A reader must find the state before the change, or the one after it.
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "core/shared/revocations.hpp"
#include "process_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

// Replaces libcrypto's SHA-256, which takes thousands of instructions that access nothing shared.
extern "C" int EVP_Digest(const void* data, std::size_t size, unsigned char* digest, unsigned*, const EVP_MD*,
                          ENGINE*) {
  std::memset(digest, 0, 32);
  std::memcpy(digest, data, std::min<std::size_t>(size, 16));
  return 1;
}

namespace {

constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kSlots = 16;  // one block

using Prepare = std::function<void(Revocations&)>;
using Write = std::function<void(Revocations&)>;
// True while the reader's result is right; `changed`: the writer has finished.
using Holds = std::function<bool(const Revocations&, bool changed)>;

struct Table {
  Table() : memory(Revocations::memory_size(kSlots)) {}
  void begin(const Prepare& prepare) {
    revocations.create(memory.data(), kSlots);
    prepare(revocations);
  }
  SharedMemory memory;
  Revocations revocations;
};

void read_behind_every_instruction_of(const Prepare& prepare, const Write& write, const Holds& holds) {
  Table table;
  table.begin(prepare);
  Traced writer([&] { write(table.revocations); });
  int instructions = 0;
  do {
    ck_assert_msg(holds(table.revocations, false), "wrong after %d instructions of the writer", instructions);
    ++instructions;
  } while (writer.step());
  ck_assert_int_gt(instructions, 100);
  ck_assert(holds(table.revocations, true));
}

// Many slots are free and not read yet: there it is enough to stop now and then. Under a sanitizer, which makes ten
// instructions of one, it is enough everywhere.
int step(int instructions, int total) {
  if (total > 1500) {
    return total / 50;
  }
  return instructions < 150 || instructions > total - 50 ? 2 : 20;
}

void write_behind_every_instruction_of(const Prepare& prepare, const Write& write, const Holds& holds) {
  Table table;
  const SharedMemory answer(sizeof(bool));
  auto& right = *static_cast<bool*>(answer.data());
  const auto read = [&] { right = holds(table.revocations, false); };
  table.begin(prepare);
  int total = 0;
  for (Traced reader(read); reader.step();) {
    ++total;
  }
  ck_assert_int_gt(total, 100);
  for (int instructions = 0; instructions < total; instructions += step(instructions, total)) {
    table.begin(prepare);
    right = false;
    Traced reader(read);
    for (int i = 0; i < instructions; ++i) {
      ck_assert(reader.step());
    }
    write(table.revocations);
    ck_assert_msg(reader.finish(), "the reader does not come to an end");
    ck_assert_msg(right, "wrong when changed after %d of %d instructions of the reader", instructions, total);
  }
  ck_assert(holds(table.revocations, true));
}

// The table's content after each store of the writer.
std::vector<std::string> states_of(Table& table, const Write& write) {
  const auto now = [&table] { return std::string(static_cast<const char*>(table.memory.data()), table.memory.size()); };
  std::vector<std::string> states{now()};
  for (Traced writer([&] { write(table.revocations); }); writer.step();) {
    if (std::string state = now(); state != states.back()) {
      states.push_back(std::move(state));
    }
  }
  return states;
}

// A reader in the middle that goes on while the writer is stopped half-way.
void stop_writer_behind_every_store_of(const Prepare& prepare, const Write& write, const Holds& holds) {
  Table table;
  const SharedMemory answer(sizeof(bool));
  auto& right = *static_cast<bool*>(answer.data());
  table.begin(prepare);
  const std::vector<std::string> states = states_of(table, write);
  ck_assert_uint_gt(states.size(), 2);
  for (std::size_t stores = 1; stores < states.size(); ++stores) {
    for (int instructions = 20; instructions < 160; instructions += 2) {  // until the first slot was read
      table.begin(prepare);
      right = false;
      Traced reader([&] { right = holds(table.revocations, false); });
      for (int i = 0; i < instructions; ++i) {
        ck_assert(reader.step());
      }
      std::memcpy(table.memory.data(), states[stores].data(), states[stores].size());
      ck_assert_msg(reader.finish(), "the reader does not come to an end");
      ck_assert_msg(right, "wrong after %d instructions of the reader and %zu stores", instructions, stores);
    }
  }
}

void at_every_instruction(const Prepare& prepare, const Write& write, const Holds& holds) {
  read_behind_every_instruction_of(prepare, write, holds);
  write_behind_every_instruction_of(prepare, write, holds);
}

// --- a slot that changes its user ---

START_TEST(a_user_whose_revocation_ended_does_not_get_the_time_of_the_next_user) {
  at_every_instruction(
      [](Revocations& table) {
        table.set("short", 1000);
        table.set("short", 0);
      },
      [](Revocations& table) { table.set("long", kForEver); },
      [](const Revocations& table, bool) { return !table.rejects("short", 0); });
}
END_TEST

START_TEST(nor_while_the_next_user_is_half_written) {
  stop_writer_behind_every_store_of(
      [](Revocations& table) {
        table.set("short", 1000);
        table.set("short", 0);
      },
      [](Revocations& table) { table.set("long", kForEver); },
      [](const Revocations& table, bool) { return !table.rejects("short", 0); });
}
END_TEST

START_TEST(the_next_user_does_not_get_the_time_of_the_former_one) {
  at_every_instruction([](Revocations& table) { table.set("long", kForEver); },
                       [](Revocations& table) {
                         table.set("long", 0);
                         table.set("short", 1000);
                       },
                       [](const Revocations& table, bool changed) {
                         return !table.rejects("short", 1000) &&
                                (!changed || (table.rejects("short", 999) && !table.rejects("long", 0)));
                       });
}
END_TEST

// A reader may use the old time or the new one, but never accepts what both reject.
START_TEST(a_changed_time_is_the_old_or_the_new_one) {
  at_every_instruction([](Revocations& table) { table.set("10", 0x1ffffffff); },
                       [](Revocations& table) { table.set("10", 0x200000000); },
                       [](const Revocations& table, bool changed) {
                         return table.rejects("10", 0x1fffffffe) && !table.rejects("10", 0x200000000) &&
                                (!changed || table.rejects("10", 0x1ffffffff));
                       });
}
END_TEST

// --- no room ---

void fill(Revocations& table) {
  for (std::size_t i = 0; i < kSlots; ++i) {
    table.set("user-" + std::to_string(i), static_cast<std::int64_t>(1000 + i));
  }
}

START_TEST(a_user_who_loses_the_slot_stays_revoked) {
  at_every_instruction(
      fill, [](Revocations& table) { table.set("one more", kForEver); },
      [](const Revocations& table, bool changed) {
        return table.rejects("user-0", 999) && (!changed || table.rejects("one more", 5000));
      });
}
END_TEST

START_TEST(a_user_who_loses_the_slot_does_not_get_the_time_of_the_next_user) {
  at_every_instruction(
      fill, [](Revocations& table) { table.set("one more", kForEver); },
      [](const Revocations& table, bool) { return !table.rejects("user-0", 1000); });
}
END_TEST

}  // namespace

int main() {
  return run("revocations_interrupt", {
                                          a_user_whose_revocation_ended_does_not_get_the_time_of_the_next_user,
                                          nor_while_the_next_user_is_half_written,
                                          the_next_user_does_not_get_the_time_of_the_former_one,
                                          a_changed_time_is_the_old_or_the_new_one,
                                          a_user_who_loses_the_slot_stays_revoked,
                                          a_user_who_loses_the_slot_does_not_get_the_time_of_the_next_user,
                                      });
}
