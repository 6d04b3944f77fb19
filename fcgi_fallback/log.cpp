// Log lines: one write(2) each, so that lines of several processes do not mix.
#include "log.hpp"

#include <unistd.h>

namespace pgevents::fallback {

void log_line(std::string_view text) {
  std::string line = "pgevents-fcgi[" + std::to_string(getpid()) + "]: ";
  const std::size_t start = line.size();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  line.append(text);
  for (std::size_t i = start; i < line.size(); ++i) {
    if (static_cast<unsigned char>(line[i]) < 0x20) line[i] = ' ';
  }
  line += '\n';
  // Nothing can be done about a log that cannot be written.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

bool LogLimit::pass(std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) {
    ++suppressed_;
    return false;
  }
  if (suppressed_ > 0) text += " (and " + std::to_string(suppressed_) + " like it before)";
  suppressed_ = 0;
  next_ = now + interval_;
  return true;
}

}  // namespace pgevents::fallback
