// The time at which turns send, for the metrics: read once for many turns.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>

#include "core/metrics/clock.hpp"

namespace pgevents::nginx {

class TurnClock {
 public:
  // Microseconds since the Unix epoch. Outside of slices nginx's own time, which is in milliseconds.
  std::int64_t now_us() const noexcept {
    return read_us_ != 0 ? read_us_ : static_cast<std::int64_t>(now_seconds() * 1e6);
  }
  void read() noexcept { read_us_ = wall_clock_us(); }
  void end_slice() noexcept { read_us_ = 0; }

 private:
  std::int64_t read_us_ = 0;  // 0: no slice runs
};

}  // namespace pgevents::nginx
