// cursor.hpp: cursors as clients write them.
#include "core/wire/cursor.hpp"

#include "fuzzing.hpp"

namespace pgevents::fuzzing {

void fuzz(std::string_view input) {
  const auto cursor = parse_cursor(input);
  require(!input.empty() || cursor, "no text is a cursor");
  if (!cursor) {
    return;
  }
  require((cursor->kind == Cursor::Kind::kNow) == input.empty(), "only an empty text means from now on", input);
  if (cursor->kind == Cursor::Kind::kNow) {
    return;
  }
  require(cursor->id <= INT64_MAX, "an id fits bigint", input);
  require(cursor->time_us >= 0 && cursor->time_us < 253402300800000000, "a time is before the year 10000", input);
  const auto again = parse_cursor(cursor_text(*cursor));
  require(again && again->kind == cursor->kind && again->id == cursor->id && again->time_us == cursor->time_us,
          "a cursor survives being written", cursor_text(*cursor));
  require(cursor->kind != Cursor::Kind::kId || cursor_before(*cursor, 7) == cursor->id, "an id stands for itself",
          input);
}

}  // namespace pgevents::fuzzing
