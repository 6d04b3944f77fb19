// Results of libpq: their ownership, rows, columns and errors. Nothing here copies a value: all are views into the
// result. PostgreSQL manual, chapter "libpq - C Library", section "Retrieving Query Result Information".
#pragma once

#include <libpq-fe.h>

#include <charconv>
#include <cstddef>
#include <memory>
#include <string_view>

namespace pgevents::postgres {

struct ResultDeleter {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

// Whether the statement was executed, with or without rows. False for null, libpq's answer when the connection is lost.
bool succeeded(const PGresult* result) noexcept;

// Whether the server waits for COPY data, or sends some. No statement here asks for that, and PQgetResult() would
// return the same for ever.
bool begins_copy(const PGresult* result) noexcept;

// Why a statement failed. The views are valid as long as the result. `sqlstate` is empty when the server has not
// answered: the connection is lost, or libpq has no memory; `message` is then libpq's.
struct SqlError {
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
};
SqlError error_of(const PGresult* result) noexcept;  // null has an error without text

// A decimal number; `otherwise` if `text` is not one, or does not fit. The server sends nothing else for integer types.
template <typename Number>
Number number_in(std::string_view text, Number otherwise = 0) noexcept {
  Number number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// One row of a result. `Column` is an enum class that names the columns of one statement in their order (see
// statements.hpp), so that neither a row number nor a column of another statement compiles in its place.
template <typename Column>
class Row {
 public:
  Row(const PGresult* result, int row) noexcept : result_(result), row_(row) {}

  // The value as the server sent it; empty for NULL.
  std::string_view text(Column column) const noexcept {
    const int number = static_cast<int>(column);
    return {PQgetvalue(result_, row_, number), static_cast<std::size_t>(PQgetlength(result_, row_, number))};
  }
  bool is_null(Column column) const noexcept { return PQgetisnull(result_, row_, static_cast<int>(column)) != 0; }
  template <typename Number>
  Number number(Column column) const noexcept {
    return number_in<Number>(text(column));
  }
  // A boolean: `t` or `f` in text form (PostgreSQL manual, "Boolean Type").
  bool is_true(Column column) const noexcept { return text(column) == "t"; }

 private:
  const PGresult* result_;
  int row_;
};

// The rows of a result, for `for (const auto row : Rows<Column>(result))`. Costs as much as two numbers and a pointer.
template <typename Column>
class Rows {
 public:
  class Iterator {
   public:
    Iterator(const PGresult* result, int row) noexcept : result_(result), row_(row) {}
    Row<Column> operator*() const noexcept { return {result_, row_}; }
    Iterator& operator++() noexcept {
      ++row_;
      return *this;
    }
    bool operator!=(const Iterator& other) const noexcept { return row_ != other.row_; }

   private:
    const PGresult* result_;
    int row_;
  };

  explicit Rows(const PGresult* result) noexcept : Rows(result, PQntuples(result)) {}

  int size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  // Whether the result has as many columns as `Column` names: another version of the schema may answer with others.
  bool has_columns() const noexcept { return PQnfields(result_) == static_cast<int>(Column::kCount); }
  // `row` is below size().
  Row<Column> at(int row) const noexcept { return {result_, row}; }
  Row<Column> front() const noexcept { return at(0); }
  Row<Column> back() const noexcept { return at(size_ - 1); }
  // All rows but the last one; there is one.
  Rows without_last() const noexcept { return Rows(result_, size_ - 1); }

  Iterator begin() const noexcept { return {result_, 0}; }
  Iterator end() const noexcept { return {result_, size_}; }

 private:
  Rows(const PGresult* result, int size) noexcept : result_(result), size_(size) {}

  const PGresult* result_;
  int size_;
};

}  // namespace pgevents::postgres
