// Decodes rows of the log; see events.hpp.
#include "postgres/events.hpp"

#include <string_view>

namespace pgevents::postgres {

using sql::EventColumn;

EventView event_in(const EventRow& row) noexcept {
  EventView event;
  event.id = row.number<std::uint64_t>(EventColumn::kId);
  event.channel = row.text(EventColumn::kChannel);
  event.ts_us = row.number<std::int64_t>(EventColumn::kTime);
  event.type = row.text(EventColumn::kType);
  event.data = row.text(EventColumn::kData);
  return event;
}

std::optional<std::int64_t> ttl_ms(const EventRow& row) noexcept {
  if (row.is_null(EventColumn::kTtl)) {
    return std::nullopt;
  }
  return row.number<std::int64_t>(EventColumn::kTtl);
}

std::optional<FetchedPage> FetchedPage::read(const PGresult* result) noexcept {
  const EventRows rows(result);
  if (rows.empty() || !rows.has_columns() || !rows.back().is_null(EventColumn::kChannel)) {
    return std::nullopt;
  }
  const std::string_view what = rows.back().text(EventColumn::kType);
  if (what != "more" && what != "end") {
    return std::nullopt;
  }
  return FetchedPage(rows.without_last(), rows.back().number<std::uint64_t>(EventColumn::kId), what == "more");
}

std::uint64_t FetchedPage::opening_cursor(const Cursor& asked) const noexcept {
  if (asked.kind != Cursor::Kind::kId && events_.empty()) {
    return cursor_;
  }
  return cursor_before(asked, events_.empty() ? cursor_ : event_in(events_.front()).id);
}

}  // namespace pgevents::postgres
