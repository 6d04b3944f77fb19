// How a request fails: the error that both front-ends answer with, and the functions that make one. Each of them names
// the status first; `msg` is for the client and never repeats a secret.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/metrics/labels.hpp"

namespace pgevents {

struct Error {
  int status = 400;
  std::string msg;
  std::string code;                    // empty: the status's usual code, e.g. BAD_REQUEST
  std::string extra;                   // further members of the body, JSON without braces, e.g. `"var_name":"op"`
  unsigned retry_after = 0;            // seconds, for 429 and 503
  std::string challenge;               // WWW-Authenticate, for 401 (RFC 6750, section 3)
  std::string allow;                   // methods, for 405
  std::string web_socket_version;      // the one that is served, for 426
  std::string log;                     // for the operator's log, where it needs more than `msg`
  AuthFault fault = AuthFault::kNone;  // for the metric auth_failures_total
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

}  // namespace pgevents
