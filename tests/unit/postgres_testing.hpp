// Results for tests of postgres/, made without a server.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <vector>

#include "checks.hpp"
#include "postgres/result.hpp"

namespace pgevents::testing {

using Cells = std::vector<std::optional<std::string>>;  // std::nullopt is NULL

// A result with these rows, as the server would send it in text form; its columns are named c0, c1 …
inline postgres::ResultPtr make_result(const std::vector<Cells>& rows, std::size_t columns) {
  postgres::ResultPtr result(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < columns; ++i) {
    names.push_back("c" + std::to_string(i));
  }
  std::vector<PGresAttDesc> attributes(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    attributes[i] = {names[i].data(), 0, 0, 0, 25, -1, -1};
  }
  ck_assert_int_ne(PQsetResultAttrs(result.get(), static_cast<int>(columns), attributes.data()), 0);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      std::optional<std::string> cell = rows[row][column];
      const int length = cell ? static_cast<int>(cell->size()) : -1;
      ck_assert_int_ne(PQsetvalue(result.get(), static_cast<int>(row), static_cast<int>(column),
                                  cell ? cell->data() : nullptr, length),
                       0);
    }
  }
  return result;
}

}  // namespace pgevents::testing
