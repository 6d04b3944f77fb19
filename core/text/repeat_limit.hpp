// Keeps a repeated log line from flooding the log: one passes in each interval, the others are counted.
#pragma once

#include <cstdint>
#include <cstdio>

namespace pgevents {

class RepeatLimit {
 public:
  explicit RepeatLimit(std::int64_t interval_ms) noexcept : interval_ms_(interval_ms) {}

  // Whether the line may be written at this monotonic time.
  bool pass(std::int64_t now_ms) noexcept {
    if (has_passed_ && now_ms - passed_ms_ < interval_ms_) {
      ++left_out_;
      return false;
    }
    note_[0] = '\0';
    if (left_out_ > 0) {
      std::snprintf(note_, sizeof note_, " (and %u like it before)", left_out_);
    }
    has_passed_ = true;
    passed_ms_ = now_ms;
    left_out_ = 0;
    return true;
  }

  // The end of the line that may be written: how many were left out before it; empty if none.
  const char* note() const noexcept { return note_; }

 private:
  std::int64_t interval_ms_;
  std::int64_t passed_ms_ = 0;
  unsigned left_out_ = 0;
  bool has_passed_ = false;
  char note_[40] = "";
};

}  // namespace pgevents
