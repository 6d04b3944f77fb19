// Events as the database returns them: rows of the log for the listener, and pages of pgevents.fetch() for subscribers
// (docs/sql.md).
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <optional>

#include "core/wire/cursor.hpp"
#include "core/wire/event.hpp"
#include "postgres/result.hpp"
#include "postgres/statements.hpp"

namespace pgevents::postgres {

using EventRow = Row<sql::EventColumn>;
using EventRows = Rows<sql::EventColumn>;

// The event of a row of kLogAfter or kFetch. Its texts are views into the result.
EventView event_in(const EventRow& row) noexcept;
// Milliseconds until it expires, from now; nothing if it does not.
std::optional<std::int64_t> ttl_ms(const EventRow& row) noexcept;

// A page of the log: the rows of kFetch but the last, which has no channel. That one holds the next cursor as its id,
// and as its type whether there is more behind it. A view of the result.
class FetchedPage {
 public:
  // Nothing if `result` does not have this form: module or fallback and schema are of different versions.
  static std::optional<FetchedPage> read(const PGresult* result) noexcept;

  EventRows events() const noexcept { return events_; }
  // The cursor behind the page.
  std::uint64_t cursor() const noexcept { return cursor_; }
  bool more() const noexcept { return more_; }
  // The id that stands for `asked`, the cursor of the request, before the page's first event; an event stream opens
  // with it.
  std::uint64_t opening_cursor(const Cursor& asked) const noexcept;

 private:
  FetchedPage(EventRows events, std::uint64_t cursor, bool more) noexcept
      : events_(events), cursor_(cursor), more_(more) {}

  EventRows events_;
  std::uint64_t cursor_;
  bool more_;
};

}  // namespace pgevents::postgres
