// How a request fails: the error that both front-ends answer with, and the functions that make one. Each of them names
// the status first; `msg` is for the client and never repeats a secret.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgevents {

struct Error {
  int status = 400;
  std::string msg;
  std::string code;          // empty: the status's usual code, e.g. BAD_REQUEST
  std::string extra;         // further members of the body, JSON without braces, e.g. `"var_name":"op"`
  unsigned retry_after = 0;  // seconds, for 429 and 503
  std::string challenge;     // WWW-Authenticate, for 401 (RFC 6750, section 3)
  std::string allow;         // methods, for 405
  std::string log;           // for the operator's log, where it needs more than `msg`
};

// Every Error is made here. `code` may be empty: the status's usual one. What else an error carries is set afterwards.
Error make_error(int status, std::string msg, std::string code = {});

// 400: `what 'name' is given twice`. The client and an intermediary could each take another one of the two.
Error given_twice(std::string_view what, std::string_view name);
Error method_not_allowed(const std::string& methods);  // 405; `methods`: those allowed, without OPTIONS
Error body_too_large(std::size_t limit);               // 413; `limit` in bytes
Error too_early();                                     // 425; the client sends it again after the handshake
Error internal_error();                                // 500; the reason is in the server's log
Error database_away(unsigned retry_after);             // 503; `retry_after` in seconds

// `what 'value'`, or only `what` if the value is longer than 40 bytes or not UTF-8. (A token in the wrong place is
// longer: its signature alone has 43 characters.)
std::string naming(std::string_view what, std::string_view value);

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
