// Log lines, each by one write(2), so that lines of several processes do not mix.
#include "fcgi_fallback/log.hpp"

#include <unistd.h>

#include <cstdio>

#include "core/text/printable.hpp"

namespace pgevents::fallback {

void log_line(std::string_view text) noexcept {
  char line[4096];  // PIPE_BUF of Linux: longer lines could mix with those of other processes
  char* end = line + std::snprintf(line, sizeof line, "pgevents-fcgi[%d]: ", getpid());
  end += printable(text, end, static_cast<std::size_t>(line + sizeof line - 1 - end));
  *end++ = '\n';
  // A failure to write the log cannot be reported anywhere.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, static_cast<std::size_t>(end - line));
}

void log_unless_empty(std::string_view text) noexcept {
  if (!text.empty()) {
    log_line(text);
  }
}

bool LogLimit::pass(std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) {
    ++suppressed_;
    return false;
  }
  if (suppressed_ > 0) {
    text += " (and " + std::to_string(suppressed_) + " like it before)";
  }
  suppressed_ = 0;
  next_ = now + interval_;
  return true;
}

}  // namespace pgevents::fallback
