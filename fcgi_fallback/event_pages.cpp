// Pages of pgevents.fetch; see event_pages.hpp.
#include "fcgi_fallback/event_pages.hpp"

#include "postgres/array.hpp"
#include "postgres/statements.hpp"

namespace pgevents::fallback {

namespace {

constexpr char kMaxRows[] = "1000";
constexpr char kMaxBytes[] = "1048576";

}  // namespace

EventPages::EventPages(DatabaseConnection& database, const Subscription& subscription)
    : database_(database),
      subscription_(subscription),
      channels_(postgres::array_literal(subscription.channels)),
      cursor_(subscription.cursor) {}

postgres::Statement EventPages::fetch() const {
  std::optional<std::string> after;
  std::optional<std::string> since;
  if (cursor_.kind == Cursor::Kind::kId) {
    after = std::to_string(cursor_.id);
  } else if (cursor_.kind == Cursor::Kind::kTime) {
    since = std::to_string(cursor_.time_us);
  }
  return {sql::kFetch, {channels_, after, since, kMaxRows, kMaxBytes}};
}

std::optional<Error> EventPages::next(const Visitor& visit, std::string& log) {
  const Outcome outcome = database_.run(fetch(), true);
  log = outcome.log;
  if (!outcome.rows) {
    return outcome.error;
  }
  const auto page = postgres::FetchedPage::read(outcome.rows.get());
  if (!page) {
    log = "pgevents.fetch() returned rows of another form; install program and schema of the same version";
    return internal_error();
  }
  take(*page, visit);
  return std::nullopt;
}

void EventPages::take(const postgres::FetchedPage& page, const Visitor& visit) {
  if (first_page_) {
    first_cursor_ = page.opening_cursor(cursor_);
    first_page_ = false;
  }
  for (const auto row : page.events()) {
    const EventView event = postgres::event_in(row);
    subscription_.filter.passes(event.type) ? visit(event) : void(++left_out_);
  }
  cursor_.kind = Cursor::Kind::kId;
  cursor_.id = page.cursor();
  at_end_ = !page.more();
}

}  // namespace pgevents::fallback
