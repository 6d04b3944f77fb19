// A writer of the ring may be killed at any instruction. Here a traced child executes each writing call one machine
// instruction at a time; whenever it changed the memory, the parent checks a copy as the remaining processes would.
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring.hpp"
#include "process_testing.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// Calls `look` with the memory's content after every instruction of `action` that changed it; returns how many did.
int step_through(const SharedMemory& memory, const std::function<void()>& action,
                 const std::function<void(const std::vector<char>&)>& look) {
  Traced child(action);
  const auto* const bytes = static_cast<const char*>(memory.data());
  std::vector<char> seen(bytes, bytes + memory.size());
  int changes = 0;
  while (child.step()) {
    if (std::memcmp(seen.data(), bytes, seen.size()) == 0) {
      continue;
    }
    seen.assign(bytes, bytes + memory.size());
    ++changes;
    look(seen);
  }
  return changes;
}

struct TestRing {
  TestRing() : memory(Ring::memory_size(Ring::kMinDataBytes)), copy(memory.size()) {
    ring.create(memory.data(), memory.size(), {});
    ring.reset(kFirstId);
  }
  SharedMemory memory;
  SharedMemory copy;  // what the parent checks
  Ring ring;
};

void assert_sound(const Ring& ring, const char* when) {
  const Inspection inspection(ring);
  ck_assert_msg(inspection.problem().empty(), "%s: %s", when, inspection.problem().c_str());
}

// What must hold with this content: for readers at once, for the next writer after recover().
void assert_survived(const SharedMemory& copy, const std::vector<char>& content) {
  std::memcpy(copy.data(), content.data(), content.size());
  Ring ring;
  ck_assert(ring.attach(copy.data(), copy.size()));
  assert_sound(ring, "readers after the kill");
  const Ring::Snapshot left = ring.snapshot();

  ring.recover();
  assert_sound(ring, "after recover()");
  const Ring::Snapshot now = ring.snapshot();
  ck_assert(now.floor == left.floor && now.last_id == left.last_id && now.head_pos == left.head_pos);
  other_history_from = left.last_id + 1;  // the next event differs from the one being written
  append_next(ring, 3);
  assert_sound(ring, "after the next writer's first events");

  std::memcpy(copy.data(), content.data(), content.size());
  append_next(ring, 3);  // without recover()
  assert_sound(ring, "after the first events without recover()");
  append_next(ring, 200);
  assert_sound(ring, "after the whole ring was written again");
  other_history_from = ~std::uint64_t{0};
}

void kill_everywhere(TestRing& test, const std::function<void(Ring&)>& action) {
  const int changes = step_through(
      test.memory, [&] { action(test.ring); },
      [&](const std::vector<char>& content) { assert_survived(test.copy, content); });
  ck_assert_int_gt(changes, 5);
  assert_sound(test.ring, "not killed at all");
}

void kill_append_everywhere(TestRing& test) {
  const TestEvent event(next_id(test.ring.snapshot().last_id));
  kill_everywhere(test, [&event](Ring& ring) { ring.append(event.view(), event.expires_ms()); });
  ck_assert_uint_eq(test.ring.snapshot().last_id, event.id);
}

START_TEST(an_append_to_an_empty_ring_may_be_killed_anywhere) {
  TestRing test;
  kill_append_everywhere(test);
}
END_TEST

START_TEST(an_append_that_overwrites_may_be_killed_anywhere) {
  TestRing test;
  append_next(test.ring, 1000);
  for (int i = 0; i < 4; ++i) {
    kill_append_everywhere(test);
  }
}
END_TEST

START_TEST(an_append_that_skips_the_end_of_the_memory_may_be_killed_anywhere) {
  TestRing test;
  append_next(test.ring, 500);
  const auto offset = [&test] { return test.ring.snapshot().head_pos % Ring::kMinDataBytes; };
  while (offset() < Ring::kMinDataBytes - 200) {
    append_next(test.ring);
  }
  const std::uint64_t before = offset();
  kill_append_everywhere(test);
  ck_assert_uint_lt(offset(), before);
}
END_TEST

START_TEST(an_append_too_large_for_the_ring_may_be_killed_anywhere) {
  TestRing test;
  append_next(test.ring, 500);
  const std::uint64_t id = next_id(test.ring.snapshot().last_id);
  const std::string data(Ring::kMinDataBytes, ' ');
  kill_everywhere(test, [&](Ring& ring) { ring.append({id, "big", 0, "t", data}, 0); });
  ck_assert_uint_eq(test.ring.snapshot().floor, id);
}
END_TEST

START_TEST(a_reset_may_be_killed_anywhere) {
  TestRing test;
  append_next(test.ring, 500);
  const std::uint64_t id = next_id(test.ring.snapshot().last_id);
  kill_everywhere(test, [id](Ring& ring) { ring.reset(id); });
  ck_assert_uint_eq(test.ring.snapshot().floor, id);
}
END_TEST

// Some states of a killed append, among them the last ones, when the entry is linked; in each of them the process that
// repairs is killed too. Few entries, because recover() walks them all.
START_TEST(recover_may_be_killed_anywhere) {
  TestRing test;
  append_next(test.ring, 20);
  const TestEvent event(next_id(test.ring.snapshot().last_id));
  std::vector<std::vector<char>> left;
  step_through(
      test.memory, [&] { test.ring.append(event.view(), 0); },
      [&left](const std::vector<char>& content) { left.push_back(content); });
  int mended = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (i % 16 != 8 && i + 14 < left.size()) {
      continue;
    }
    std::memcpy(test.memory.data(), left[i].data(), left[i].size());
    mended += step_through(
        test.memory, [&test] { test.ring.recover(); },
        [&test](const std::vector<char>& now) { assert_survived(test.copy, now); });
  }
  ck_assert_int_gt(mended, 50);
}
END_TEST

START_TEST(a_ring_whose_creation_was_killed_is_not_attached) {
  TestRing test;
  append_next(test.ring, 500);
  int attached = 0;
  const int changes = step_through(
      test.memory,
      [&test] {
        Ring ring;
        ring.create(test.memory.data(), test.memory.size(), {});
      },
      [&](const std::vector<char>& content) {
        std::memcpy(test.copy.data(), content.data(), content.size());
        Ring ring;
        if (!ring.attach(test.copy.data(), test.copy.size())) {
          return;
        }
        ++attached;
        ck_assert_uint_eq(ring.snapshot().last_id, 0);
      });
  ck_assert_int_eq(attached, 1);  // by the last change
  ck_assert_int_gt(changes, 10);
}
END_TEST

}  // namespace

int main() {
  setenv("CK_DEFAULT_TIMEOUT", "60", 0);  // seconds; for CK_FORK=yes
  return run("ring_kill", {
                              an_append_to_an_empty_ring_may_be_killed_anywhere,
                              an_append_that_overwrites_may_be_killed_anywhere,
                              an_append_that_skips_the_end_of_the_memory_may_be_killed_anywhere,
                              an_append_too_large_for_the_ring_may_be_killed_anywhere,
                              a_reset_may_be_killed_anywhere,
                              recover_may_be_killed_anywhere,
                              a_ring_whose_creation_was_killed_is_not_attached,
                          });
}
