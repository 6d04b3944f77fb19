// Log lines on stderr, where systemd, spawn-fcgi and web servers look for them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pgevents::fallback {

// Writes `pgevents-fcgi[pid]: text` as one line (see printable(): whatever the text holds; what is too long is cut). Takes no memory,
// so that the lack of it can be told.
void log_line(std::string_view text) noexcept;

// Keeps a repeated complaint from flooding the log: lets one through per interval and counts the others.
class LogLimit {
 public:
  explicit LogLimit(std::chrono::seconds interval) : interval_(interval) {}

  // True when the line may be written; `text` then tells how many were left out before it.
  bool pass(std::string& text);

 private:
  std::chrono::seconds interval_;
  std::chrono::steady_clock::time_point next_{};
  unsigned suppressed_ = 0;
};

}  // namespace pgevents::fallback
