// Parses cursors. The limits are those of PostgreSQL's types: bigint ids, and times that it can store.
#include "core/wire/cursor.hpp"

#include <charconv>
#include <cmath>
#include <system_error>

namespace pgevents {

namespace {

constexpr std::uint64_t kMaxId = INT64_MAX;
// The end of the year 9999. A larger number is a mistake (mostly milliseconds taken for seconds).
constexpr std::uint64_t kMaxSeconds = 253402300799;
constexpr std::string_view kTimePrefix = "rt-";
constexpr std::int64_t kMicros = 1000000;
constexpr double kStartMargin = 5;

// All of `text` as a decimal number up to `max`, without sign.
std::optional<std::uint64_t> parse_digits(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || value > max) {
    return std::nullopt;
  }
  return value;
}

// Digits behind the point as microseconds; further digits are cut off, which never skips an event.
std::optional<std::int64_t> parse_fraction(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::int64_t micros = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    micros = micros * 10 + (i < text.size() ? text[i] - '0' : 0);
  }
  return micros;
}

std::optional<Cursor> parse_time(std::string_view text) {
  const std::size_t point = text.find('.');
  const auto seconds = parse_digits(text.substr(0, point), kMaxSeconds);
  std::optional<std::int64_t> micros = 0;
  if (point != std::string_view::npos) {
    micros = parse_fraction(text.substr(point + 1));
  }
  if (!seconds || !micros) {
    return std::nullopt;
  }
  Cursor cursor;
  cursor.kind = Cursor::Kind::kTime;
  cursor.time_us = static_cast<std::int64_t>(*seconds) * kMicros + *micros;
  return cursor;
}

}  // namespace

std::optional<Cursor> parse_cursor(std::string_view text) {
  if (text.empty()) {
    return Cursor{};
  }
  if (text.substr(0, kTimePrefix.size()) == kTimePrefix) {
    return parse_time(text.substr(kTimePrefix.size()));
  }
  const auto id = parse_digits(text, kMaxId);
  if (!id) {
    return std::nullopt;
  }
  Cursor cursor;
  cursor.kind = Cursor::Kind::kId;
  cursor.id = *id;
  return cursor;
}

std::string cursor_text(const Cursor& cursor) {
  if (cursor.kind == Cursor::Kind::kNow) {
    return {};
  }
  if (cursor.kind == Cursor::Kind::kId) {
    return std::to_string(cursor.id);
  }
  std::string text = std::string(kTimePrefix) + std::to_string(cursor.time_us / kMicros);
  if (const std::int64_t micros = cursor.time_us % kMicros; micros != 0) {
    text += '.' + std::to_string(kMicros + micros).substr(1);
  }
  return text;
}

// In whole seconds, so that streams which begin in the same second share their queries.
Cursor fixed_start(const Cursor& cursor, double arrived) noexcept {
  if (cursor.kind != Cursor::Kind::kNow) {
    return cursor;
  }
  Cursor start;
  start.kind = Cursor::Kind::kTime;
  start.time_us = static_cast<std::int64_t>(std::floor(std::fmax(arrived - kStartMargin, 0))) * kMicros;
  return start;
}

std::uint64_t cursor_before(const Cursor& cursor, std::uint64_t first_id) noexcept {
  if (cursor.kind == Cursor::Kind::kId) {
    return cursor.id;
  }
  return first_id > 0 ? first_id - 1 : 0;
}

}  // namespace pgevents
