// Cursors in the clients' form: an id, a time, or nothing ("from now on").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

struct Cursor {
  enum class Kind { kNow, kId, kTime };
  Kind kind = Kind::kNow;
  std::uint64_t id = 0;      // kId: events with a greater id are wanted; 0: all kept events
  std::int64_t time_us = 0;  // kTime: events later than this, microseconds since the Unix epoch
};

// Parses `434`, `0` or `rt-1406125522.481`; empty text is "now". Nothing for any other text (ids end at 2^63 - 1, as
// PostgreSQL's bigint does).
std::optional<Cursor> parse_cursor(std::string_view text);

// The text that parse_cursor() reads; empty for "now".
std::string cursor_text(const Cursor& cursor);

// The start of a stream that arrived at `arrived` (seconds since the Unix epoch) and cannot be served yet. "Now"
// becomes the time five seconds before, because the clocks of web server and database may differ; any other cursor
// stays.
Cursor fixed_start(const Cursor& cursor, double arrived) noexcept;

// The id that stands for `cursor` before its first row, for the opening of an event stream. For an id, the id itself.
// For a time, `first_id` is the id of the first row found (a reset row as well): the id before it finds the same rows
// again, and the same reset. (Without any row, use the cursor of the final row.)
std::uint64_t cursor_before(const Cursor& cursor, std::uint64_t first_id) noexcept;

}  // namespace pgevents
