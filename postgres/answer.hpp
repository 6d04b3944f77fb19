// What became of a statement: its rows, or why it failed; and of one that returns a single value. Views only, so that
// reporting a failure needs no memory.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string_view>

#include "postgres/result.hpp"

namespace pgevents::postgres {

// `rows` is null when the statement failed. Then either the database rejected it (`sqlstate` is set) or it could not be
// reached.
struct QueryResult {
  const PGresult* rows = nullptr;
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
};
QueryResult result_of(const PGresult* result) noexcept;
// The database could not be reached.
QueryResult not_reached(const char* why) noexcept;

// The value of a statement that returns one row with one column; without `text` it failed, see QueryResult.
struct Answer {
  std::optional<std::string_view> text;
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
};
// A result of another form, or NULL, is an internal error (XX000): the function promises a value.
Answer answer_of(const QueryResult& result) noexcept;

}  // namespace pgevents::postgres
