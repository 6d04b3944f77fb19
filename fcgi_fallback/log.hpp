// Log lines on standard error, where systemd, spawn-fcgi and web servers expect them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pgevents::fallback {

// Writes `pgevents-fcgi[pid]: text` as one line, with control characters escaped and cut if too long (see printable()).
// Allocates no memory, so that running out of it can be logged.
void log_line(std::string_view text) noexcept;

void log_unless_empty(std::string_view text) noexcept;

// Keeps a repeated message from flooding the log: one passes in each interval, the others are counted.
class LogLimit {
 public:
  explicit LogLimit(std::chrono::seconds interval) : interval_(interval) {}

  // True if the line may be written; `text` then ends with how many were left out before it.
  bool pass(std::string& text);

 private:
  std::chrono::seconds interval_;
  std::chrono::steady_clock::time_point next_{};
  unsigned suppressed_ = 0;
};

}  // namespace pgevents::fallback
