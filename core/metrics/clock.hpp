// Clocks in microseconds, read anew: the time that nginx keeps is that of its last round of events, in milliseconds.
#pragma once

#include <cstdint>
#include <ctime>

namespace pgevents {

inline std::int64_t clock_us(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
}

// Since the Unix epoch, as the times of events are; it may be set.
inline std::int64_t wall_clock_us() noexcept {
  return clock_us(CLOCK_REALTIME);
}

inline std::int64_t wall_clock_ms() noexcept {
  return wall_clock_us() / 1'000;
}

inline std::int64_t monotonic_us() noexcept {
  return clock_us(CLOCK_MONOTONIC);
}

}  // namespace pgevents
