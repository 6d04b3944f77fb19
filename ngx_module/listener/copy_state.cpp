// See copy_state.hpp.
#include "ngx_module/listener/copy_state.hpp"

#include "postgres/result.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {

using sql::CopyStateColumn;

void CopyState::start(int schema_version) noexcept {
  is_known_to_schema_ = schema_version >= sql::kCopySchema;
  asked_at_.reset();
  if (!is_known_to_schema_) {
    root_.copy.is_copy.store(0);
  }
}

std::optional<postgres::Statement> CopyState::next() noexcept {
  if (!is_known_to_schema_ || (asked_at_ && ngx_current_msec - *asked_at_ < conf_.sweep)) {
    return std::nullopt;
  }
  asked_at_ = ngx_current_msec;
  return postgres::Statement{sql::kCopyState, {}};
}

void CopyState::take(const PGresult* result) noexcept {
  const postgres::Rows<CopyStateColumn> rows(result);
  if (PQresultStatus(result) != PGRES_TUPLES_OK || rows.size() != 1 || !rows.has_columns()) {
    root_.copy.is_running.store(kUnknownValue);
    root_.copy.errors.store(kUnknownValue);
    const postgres::SqlError error = postgres::error_of(result);
    if (!error.sqlstate.empty() && rejected_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
      ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: cannot ask whether \"%V\" is a copy: %s%s", &conf_.name,
                    Printable(error.message).c_str(), rejected_log_.note());
    }
    return;
  }
  const auto row = rows.front();
  root_.copy.is_copy.store(row.is_true(CopyStateColumn::kIsCopy) ? 1 : 0);
  root_.copy.is_running.store(row.is_true(CopyStateColumn::kIsRunning) ? 1 : 0);
  root_.copy.errors.store(row.is_null(CopyStateColumn::kErrors) ? kUnknownValue
                                                                : row.number<std::uint64_t>(CopyStateColumn::kErrors));
}

}  // namespace pgevents::nginx
