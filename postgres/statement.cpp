// Sending statements; see statement.hpp.
#include "postgres/statement.hpp"

namespace pgevents::postgres {
namespace {

// As libpq takes them: null is NULL. They point into `params`.
std::vector<const char*> pointers_to(const Params& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const auto& param : params) {
    values.push_back(param ? param->c_str() : nullptr);
  }
  return values;
}

}  // namespace

bool send(PGconn* connection, const Statement& statement) {
  const auto values = pointers_to(statement.params);
  return PQsendQueryParams(connection, statement.sql.text, static_cast<int>(values.size()), nullptr, values.data(),
                           nullptr, nullptr, 0) == 1;
}

bool send_prepared(PGconn* connection, const Statement& statement) {
  const auto values = pointers_to(statement.params);
  return PQsendQueryPrepared(connection, statement.sql.name, static_cast<int>(values.size()), values.data(), nullptr,
                             nullptr, 0) == 1;
}

bool send_prepare(PGconn* connection, const SqlText& sql) {
  return PQsendPrepare(connection, sql.name, sql.text, 0, nullptr) == 1;
}

}  // namespace pgevents::postgres
