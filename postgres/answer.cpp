// What became of a statement; see answer.hpp.
#include "postgres/answer.hpp"

#include "postgres/sqlstate.hpp"

namespace pgevents::postgres {
namespace {

enum class ValueColumn { kValue, kCount };

}  // namespace

QueryResult result_of(const PGresult* result) noexcept {
  if (succeeded(result)) {
    return {result, {}, {}, {}};
  }
  const SqlError error = error_of(result);
  return {nullptr, error.sqlstate, error.message, error.detail};
}

QueryResult not_reached(const char* why) noexcept {
  return {nullptr, {}, why, {}};
}

Answer answer_of(const QueryResult& result) noexcept {
  if (result.rows == nullptr) {
    return {std::nullopt, result.sqlstate, result.message, result.detail};
  }
  const Rows<ValueColumn> rows(result.rows);
  if (rows.size() != 1 || rows.front().is_null(ValueColumn::kValue)) {
    return {std::nullopt, kInternalError, {}, {}};
  }
  return {rows.front().text(ValueColumn::kValue), {}, {}, {}};
}

}  // namespace pgevents::postgres
