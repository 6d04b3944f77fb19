// cursor.hpp: the places in the log that clients name.
#include "cursor.hpp"

#include <cstdio>

#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

std::string text_of(const Cursor& cursor) {
  if (cursor.kind == Cursor::Kind::kId) return std::to_string(cursor.id);
  char text[64];
  std::snprintf(text, sizeof text, "rt-%lld.%06lld", static_cast<long long>(cursor.time_us / 1000000),
                static_cast<long long>(cursor.time_us % 1000000));
  return text;
}

}  // namespace

void fuzz(std::string_view input) {
  const auto cursor = parse_cursor(input);
  require(!input.empty() || cursor, "no text is a cursor");
  if (!cursor) return;
  require((cursor->kind == Cursor::Kind::kNow) == input.empty(), "only no text means from now on", input);
  if (cursor->kind == Cursor::Kind::kNow) return;
  require(cursor->id <= INT64_MAX, "an id is one of PostgreSQL's", input);
  require(cursor->time_us >= 0 && cursor->time_us < 253402300800000000, "a time is before the year 10000", input);
  const auto again = parse_cursor(text_of(*cursor));
  require(again && again->kind == cursor->kind && again->id == cursor->id && again->time_us == cursor->time_us,
          "a cursor survives being written", text_of(*cursor));
  require(cursor->kind != Cursor::Kind::kId || cursor_before(*cursor, 7) == cursor->id, "an id stands for itself",
          input);
}

}  // namespace pgevents::fuzzing
