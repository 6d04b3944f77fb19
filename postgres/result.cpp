// Results and errors of libpq; see result.hpp.
#include "postgres/result.hpp"

namespace pgevents::postgres {
namespace {

std::string_view field(const PGresult* result, int code) noexcept {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view() : text;
}

}  // namespace

bool succeeded(const PGresult* result) noexcept {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

bool begins_copy(const PGresult* result) noexcept {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

// An error of libpq itself has no fields, only a text.
SqlError error_of(const PGresult* result) noexcept {
  SqlError error{field(result, PG_DIAG_SQLSTATE), field(result, PG_DIAG_MESSAGE_PRIMARY),
                 field(result, PG_DIAG_MESSAGE_DETAIL)};
  if (error.message.empty()) {
    error.message = PQresultErrorMessage(result);
  }
  return error;
}

}  // namespace pgevents::postgres
