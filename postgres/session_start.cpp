// The beginning of a session; see session_start.hpp.
#include "postgres/session_start.hpp"

#include "core/text/printable.hpp"
#include "postgres/result.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::postgres {
namespace {

using sql::VersionColumn;

std::string schema_of(const char* database) {
  return std::string("schema \"pgevents\" of database \"") + Printable(database == nullptr ? "" : database).c_str() +
         "\"";
}

}  // namespace

void SessionStart::begin() noexcept {
  question_ = Question::kVersion;
  next_ = Next::kAsk;
}

Statement SessionStart::statement() {
  Statement question{question_ == Question::kVersion ? sql::kSchemaVersion : sql::kOldSchemaVersion, {role_}};
  next_ = Next::kFail;
  problem_ = "no answer";
  return question;
}

void SessionStart::take(const PGresult* result, const char* database) {
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    return take_error(result, database);
  }
  const Rows<VersionColumn> rows(result);
  if (rows.size() == 1 && rows.has_columns()) {
    const auto row = rows.front();
    compare(row.number<int>(VersionColumn::kVersion), row.number<int>(VersionColumn::kServesFrom), database);
  }
}

// The function exists since version 9. Earlier ones report theirs with status(), which may count rows: it is asked only
// then.
void SessionStart::take_error(const PGresult* result, const char* database) {
  const SqlError error = error_of(result);
  if (error.sqlstate == kUndefinedFunction && question_ == Question::kVersion) {
    question_ = Question::kOldVersion;
    next_ = Next::kAsk;
    return;
  }
  if (error.sqlstate == kInvalidSchemaName || error.sqlstate == kUndefinedFunction) {
    problem_ = schema_of(database) +
               " does not exist, or is not that of pgevents; run pgevents-schema install there (or psql -f "
               "sql/install.sql)";
    return;
  }
  problem_.assign(Printable(error.message).c_str()).append(advice(error.sqlstate));
}

void SessionStart::compare(int version, int serves_from, const char* database) {
  version_ = version;
  if (version < kOldestSchema) {
    problem_ = schema_of(database) + " has version " + std::to_string(version) + ", this program needs version " +
               std::to_string(kOldestSchema) +
               " or later; run pgevents-schema upgrade there (or psql -f sql/install.sql), of this release";
  } else if (serves_from > kSchemaVersion) {
    problem_ = schema_of(database) + " has version " + std::to_string(version) + " and serves programs of version " +
               std::to_string(serves_from) + " or later, this one is of version " + std::to_string(kSchemaVersion) +
               "; install the release to which the schema belongs";
  } else {
    next_ = Next::kUse;
  }
}

}  // namespace pgevents::postgres
