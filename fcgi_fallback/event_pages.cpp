// Pages of pgevents.fetch: event rows, then one row without channel that holds the next cursor and says `end` or
// `more`.
#include "fcgi_fallback/event_pages.hpp"

#include <charconv>
#include <string_view>

#include "core/wire/sql.hpp"

namespace pgevents::fallback {

namespace {

constexpr Statement kFetch{"pgevents_fetch", sql::kFetch};
constexpr char kMaxRows[] = "1000";
constexpr char kMaxBytes[] = "1048576";

enum Column { kId, kChannel, kTime, kType, kData, kTtl, kColumns };

std::string_view text(const PGresult* rows, int row, int column) {
  return {PQgetvalue(rows, row, column), static_cast<std::size_t>(PQgetlength(rows, row, column))};
}

template <typename Integer>
Integer number(std::string_view digits) {
  Integer value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

EventView event_at(const PGresult* rows, int row) {
  EventView event;
  event.id = number<std::uint64_t>(text(rows, row, kId));
  event.channel = text(rows, row, kChannel);
  event.ts_us = number<std::int64_t>(text(rows, row, kTime));
  event.type = text(rows, row, kType);
  event.data = text(rows, row, kData);
  return event;
}

}  // namespace

std::string array_literal(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + '}';
}

EventPages::EventPages(Database& database, const Subscription& subscription)
    : database_(database),
      subscription_(subscription),
      channels_(array_literal(subscription.channels)),
      cursor_(subscription.cursor) {}

std::optional<Error> EventPages::next(const Visitor& visit, std::string& log) {
  const bool by_id = cursor_.kind == Cursor::Kind::kId;
  const bool by_time = cursor_.kind == Cursor::Kind::kTime;
  const std::string place = std::to_string(by_id ? static_cast<std::int64_t>(cursor_.id) : cursor_.time_us);
  const char* const values[] = {channels_.c_str(), by_id ? place.c_str() : nullptr, by_time ? place.c_str() : nullptr,
                                kMaxRows, kMaxBytes};
  Outcome outcome = database_.run(kFetch, values, 5, true);
  log = outcome.log;
  if (!outcome.rows) return outcome.error;
  if (take_rows(outcome.rows.get(), visit)) return std::nullopt;
  log = "pgevents.fetch answered something unexpected; do program and schema belong to the same version?";
  return internal_error();
}

bool EventPages::take_rows(const PGresult* rows, const Visitor& visit) {
  const int last = PQntuples(rows) - 1;
  if (PQnfields(rows) != kColumns || last < 0 || !PQgetisnull(rows, last, kChannel)) return false;
  const std::uint64_t next = number<std::uint64_t>(text(rows, last, kId));
  if (first_page_) {
    const auto first_id = number<std::uint64_t>(text(rows, 0, kId));
    first_cursor_ = last > 0 || cursor_.kind == Cursor::Kind::kId ? cursor_before(cursor_, first_id) : next;
    first_page_ = false;
  }
  for (int row = 0; row < last; ++row) {
    const EventView event = event_at(rows, row);
    subscription_.filter.passes(event.type) ? visit(event) : void(++left_out_);
  }
  cursor_.kind = Cursor::Kind::kId;
  cursor_.id = next;
  at_end_ = text(rows, last, kType) == "end";
  return true;
}

}  // namespace pgevents::fallback
