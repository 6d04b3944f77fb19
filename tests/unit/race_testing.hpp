// Processes that race for the same items of shared memory, for the tests of the lease and of the wait ids.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "checks.hpp"
#include "core/shared/shared_state.hpp"
#include "process_testing.hpp"

namespace pgevents::testing {

// A function: Check may fork for each test.
inline std::uint64_t me() {
  return owner_word(static_cast<std::uint32_t>(getpid()), 1);
}

inline std::uint64_t owner_of(const Child& child) {
  return owner_word(static_cast<std::uint32_t>(child.pid()), 1);
}

// --- races: every process tries every item at about the same time, and counts what it got ---

inline constexpr int kRacers = 3;
inline constexpr std::uint32_t kItems = 3000;
inline constexpr std::uint32_t kLeastItems = 200;  // on a busy machine, where a meeting takes long
inline constexpr std::int64_t kRaceUs = 3000000;

struct RaceCount {
  std::atomic<int> arrived;
  std::atomic<int> tried;
  std::atomic<int> winners;
};

inline void meet(std::atomic<int>& arrived) {
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
      return sleep_for_ever();  // an ended process would own nothing
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

}  // namespace pgevents::testing
