// A subscriber's place in the log, as clients write it: an id, a time, or nothing ("from now on").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgevents {

struct Cursor {
  enum class Kind { kNow, kId, kTime };
  Kind kind = Kind::kNow;
  std::uint64_t id = 0;      // kId: events with a greater id are wanted; 0 = all that is kept
  std::int64_t time_us = 0;  // kTime: events later than this, microseconds since the Unix epoch
};

// Parses `434`, `0` or `rt-1406125522.481`; empty text is "now". Nothing when it is none of these
// (ids end at 2^63 - 1, as PostgreSQL's bigint does).
std::optional<Cursor> parse_cursor(std::string_view text);

}  // namespace pgevents
