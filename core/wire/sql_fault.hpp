// What an SQLSTATE means to a front-end: repeated, answered with 503, or with the error that an SQL function raised.
// The table of all codes is in sql_fault.cpp.
#pragma once

#include <string_view>

#include "core/wire/error.hpp"

namespace pgevents {

// What an SQLSTATE means to a front-end, whose statements are transactions of their own (PostgreSQL manual, "Error
// Codes").
enum class SqlFault {
  kRequest,   // PTnnn: the answer to the request
  kConflict,  // rolled back because of other transactions; may be repeated at once on the same session (40001, 40P01)
  kSession,   // not executed, because of this session; another one may do it (25006, 26000, 42P05, 0A000 …)
  kUnavailable,  // passes by itself: the database ends, is full, or took too long (08, 53, 57, 58, 55P03 …)
  kInternal,     // an error in the installed schema, or in the server
};
SqlFault sql_fault(std::string_view sqlstate);

// Turns a PostgreSQL error into the client's: SQLSTATE `PTnnn` carries status nnn, the message and, as a JSON object in
// `detail`, the code; `retry-after` in it replaces `retry_after` (seconds, for 429 and 503). kInternal becomes a 500,
// all others a 503; their text stays in the server's log.
Error error_from_sql(std::string_view sqlstate, std::string_view message, std::string_view detail,
                     unsigned retry_after);

}  // namespace pgevents
