// Lets the listener read less often while notifications come faster than it reads: each read then finds more. While
// reads take long, because the machine is busy or many listeners follow one database, this leaves the processor to the
// others.
#pragma once

#include <algorithm>
#include <cstdint>

namespace pgevents::nginx {

class ReadPacer {
 public:
  // Times are microseconds of a monotonic clock.
  void begun(std::int64_t now) noexcept { begun_ = now; }
  void ended(std::int64_t now) noexcept { took_ = now - begun_; }

  // For how many milliseconds the next read waits, if a notification came during the last one: as long as that took.
  // Less than half a millisecond is not worth a timer.
  std::int64_t pause() const noexcept { return std::min<std::int64_t>((took_ + 500) / 1'000, kLongest); }

 private:
  static constexpr std::int64_t kLongest = 5;

  std::int64_t begun_ = 0;
  std::int64_t took_ = 0;
};

}  // namespace pgevents::nginx
