// Which lines about an absence, such as a database that cannot be reached, go into a log: one when it begins, one a
// minute while it lasts, one when it ends. What comes and goes every second does not flood the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace pgevents {

class AbsenceLimit {
 public:
  static constexpr std::int64_t kRepeatMs = 60'000;
  // At least between two absences, or two reasons of one.
  static constexpr std::int64_t kPauseMs = 10'000;

  // Whether a line may be written now, at this monotonic time, about an absence that began at `since_ms`. Another text
  // is another reason, also of the same kind: a schema that is missing, then a grant.
  bool away(std::int64_t now_ms, std::int64_t since_ms, int kind, std::string_view text) noexcept {
    const std::size_t hash = std::hash<std::string_view>{}(text);
    const bool is_new = since_ms != since_ms_ || kind != kind_ || hash != hash_ || !written_;
    if (has_line_ && now_ms - line_ms_ < (is_new ? kPauseMs : kRepeatMs)) {
      return false;
    }
    since_ms_ = since_ms;
    kind_ = kind;
    hash_ = hash;
    written_ = has_line_ = true;
    line_ms_ = now_ms;
    return true;
  }

  // Whether to write that the absence has ended: if it has a line, which another process may have written.
  bool back(std::int64_t now_ms, std::int64_t since_ms) noexcept {
    const bool written = written_ && since_ms == since_ms_;
    written_ = false;
    return written || now_ms - since_ms >= kPauseMs;
  }

 private:
  std::int64_t since_ms_ = 0;  // of the absence that has the last line
  std::int64_t line_ms_ = 0;
  int kind_ = 0;
  std::size_t hash_ = 0;  // of the reason's text
  bool has_line_ = false;
  bool written_ = false;  // the present absence has a line
};

}  // namespace pgevents
