// SQLSTATEs that module and fallback handle themselves (PostgreSQL manual, appendix "PostgreSQL Error Codes"). What
// an SQLSTATE means to a client is decided by sql_fault(), core/wire/sql_fault.hpp.
#pragma once

#include <string_view>

namespace pgevents::postgres {

inline constexpr std::string_view kInternalError = "XX000";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kLockNotAvailable = "55P03";
inline constexpr std::string_view kInvalidSchemaName = "3F000";
inline constexpr std::string_view kUndefinedFunction = "42883";

// The statement named a schema, function, table or column that does not exist: the schema may have been replaced since
// the session began.
constexpr bool schema_may_have_changed(std::string_view sqlstate) noexcept {
  return sqlstate == kInvalidSchemaName || sqlstate == kUndefinedFunction || sqlstate == "42P01" || sqlstate == "42703";
}

// The statement named a prepared statement that the session does not have (26000), or has already (42P05). A pooler is
// in between that gives each transaction another session, or the answer to preparing it got lost for want of memory.
constexpr bool lost_prepared_statement(std::string_view sqlstate) noexcept {
  return sqlstate == "26000" || sqlstate == "42P05";
}

// An error that the SQL functions raise on purpose, with the HTTP status of the answer: PTnnn.
constexpr bool is_raised_for_client(std::string_view sqlstate) noexcept {
  return sqlstate.substr(0, 2) == "PT";
}

// What an operator can do about an error of the installation, for the end of a log line, as `; run …`; empty if nothing
// is known.
constexpr const char* advice(std::string_view sqlstate) noexcept {
  if (sqlstate == kInvalidSchemaName) {
    return "; run pgevents-schema install (or psql -f sql/install.sql) for this database";
  }
  if (schema_may_have_changed(sqlstate)) {
    return "; run pgevents-schema upgrade (or psql -f sql/install.sql) for this database, whose schema is older than "
           "this program";
  }
  if (sqlstate == "42501") {  // insufficient_privilege
    return "; GRANT pgevents_server TO the role that connects";
  }
  return "";
}

}  // namespace pgevents::postgres
