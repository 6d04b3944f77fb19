// Reads a subscription's events out of the log, page by page, and keeps its cursor.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/request/request.hpp"
#include "core/wire/event.hpp"
#include "fcgi_fallback/database_connection.hpp"
#include "postgres/events.hpp"

namespace pgevents::fallback {

class EventPages {
 public:
  // Both must outlive this.
  EventPages(DatabaseConnection& database, const Subscription& subscription);

  // Reads the next page and calls `visit` for each of its events that passes the filter; the views are valid only
  // during the call. Returns the error if the page could not be read (`log` as in Outcome).
  using Visitor = std::function<void(const EventView&)>;
  std::optional<Error> next(const Visitor& visit, std::string& log);

  // Whether this request has read its share of events that the filter leaves out. The client asks again for the rest.
  bool tired() const { return left_out_ >= kMaxLeftOut || (left_out_ > 0 && Clock::now() >= rest_at_); }

  // Whether the last page ended where the log ended at that time.
  bool at_end() const { return at_end_; }

  // The cursor behind all events of the pages read, also of those filtered out.
  std::uint64_t cursor() const { return cursor_.id; }
  // The cursor before the first page; known once that is read.
  std::uint64_t first_cursor() const { return first_cursor_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMaxLeftOut = 10'000;
  static constexpr std::chrono::milliseconds kMaxTime{200};

  postgres::Statement fetch() const;
  void take(const postgres::FetchedPage& page, const Visitor& visit);

  DatabaseConnection& database_;
  const Subscription& subscription_;
  std::string channels_;  // as a PostgreSQL array literal
  Cursor cursor_;
  bool first_page_ = true;
  std::uint64_t first_cursor_ = 0;
  bool at_end_ = false;
  std::size_t left_out_ = 0;
  const Clock::time_point rest_at_ = Clock::now() + kMaxTime;
};

}  // namespace pgevents::fallback
