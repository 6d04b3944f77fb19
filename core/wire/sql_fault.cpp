// The table of SQLSTATEs; see sql_fault.hpp.
#include "core/wire/sql_fault.hpp"

#include <charconv>
#include <string>
#include <utility>

#include "core/text/json_text.hpp"
#include "core/wire/event.hpp"

namespace pgevents {
namespace {

// The status of an SQLSTATE `PTnnn`; 0 for any other, or if nnn is not an error status.
int raised_status(std::string_view sqlstate) {
  if (sqlstate.size() != 5 || sqlstate.substr(0, 2) != "PT") {
    return 0;
  }
  int status = 0;
  for (const char c : sqlstate.substr(2)) {
    if (c < '0' || c > '9') {
      return 0;
    }
    status = status * 10 + (c - '0');
  }
  return status >= 400 && status <= 599 ? status : 0;
}

struct Fault {
  std::string_view prefix;
  SqlFault fault;
};

// The first prefix that matches counts.
constexpr Fault kFaults[] = {
    {"40003", SqlFault::kUnavailable},  // statement_completion_unknown: it may have been executed
    {"40002", SqlFault::kInternal},     // a constraint of the application, checked at COMMIT
    {"40", SqlFault::kConflict},
    {"0A000", SqlFault::kSession},  // "cached plan must not change result type": an upgrade
    {"25006", SqlFault::kSession},  // read_only_sql_transaction: a standby
    {"25P02", SqlFault::kSession},  // in_failed_sql_transaction: a session of a pooler, left so by another client
    {"26000", SqlFault::kSession},  // a prepared statement does not exist: a pooler
    {"42P05", SqlFault::kSession},  // or exists already: likewise
    {"08", SqlFault::kUnavailable},
    {"25P03", SqlFault::kUnavailable},  // idle_in_transaction_session_timeout
    {"25P04", SqlFault::kUnavailable},  // transaction_timeout
    {"53", SqlFault::kUnavailable},
    {"55000", SqlFault::kUnavailable},  // object_not_in_prerequisite_state: while a standby is promoted
    {"55006", SqlFault::kUnavailable},  // object_in_use
    {"55P03", SqlFault::kUnavailable},  // lock_not_available
    {"57", SqlFault::kUnavailable},
    {"58", SqlFault::kUnavailable},
    {"72000", SqlFault::kUnavailable},  // snapshot_too_old
};

// Moves the members of the DETAIL object into `error`: `code` to its place, the others behind the message. Skips
// members that the body already has. `retry-after` (seconds) goes into the header as well.
void take_detail(std::string_view detail, Error& error) {
  json_members(detail, [&error](const std::string& name, std::string_view value) {
    if (name == "code") {
      error.code = json_string(value).value_or("");
      return;
    }
    if (name == "result" || name == "msg") {
      return;
    }
    if (name == "retry-after") {
      std::from_chars(value.data(), value.data() + value.size(), error.retry_after);
    }
    if (!error.extra.empty()) {
      error.extra += ',';
    }
    error.extra += '"';
    append_json_escaped(error.extra, name);
    error.extra += "\":";
    error.extra += value;
  });
}

}  // namespace

SqlFault sql_fault(std::string_view sqlstate) {
  if (raised_status(sqlstate) != 0) {
    return SqlFault::kRequest;
  }
  for (const Fault& fault : kFaults) {
    if (sqlstate.substr(0, fault.prefix.size()) == fault.prefix) {
      return fault.fault;
    }
  }
  return SqlFault::kInternal;
}

Error error_from_sql(std::string_view sqlstate, std::string_view message, std::string_view detail,
                     unsigned retry_after) {
  const SqlFault fault = sql_fault(sqlstate);
  if (fault == SqlFault::kInternal) {
    return internal_error();
  }
  if (fault != SqlFault::kRequest) {
    return database_away(retry_after);
  }
  Error error = make_error(raised_status(sqlstate), std::string(message));
  take_detail(detail, error);
  if (error.status != 429 && error.status != 503) {
    error.retry_after = 0;
  } else if (error.retry_after == 0) {
    error.retry_after = retry_after;
  }
  return error;
}

}  // namespace pgevents
