// The answers that module and fallback give with the same bytes.
#include "core/wire/reply.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/text/json_text.hpp"
#include "core/wire/event.hpp"

namespace pgevents {

namespace {

constexpr char kJson[] = "application/json";

const char* usual_code(int status) {
  switch (status) {
    case 400:
      return "BAD_REQUEST";
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 405:
      return "METHOD_NOT_ALLOWED";
    case 409:
      return "CONFLICT";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 415:
      return "UNSUPPORTED_MEDIA_TYPE";
    case 422:
      return "UNPROCESSABLE";
    case 425:
      return "TOO_EARLY";
    case 429:
      return "TOO_MANY_REQUESTS";
    case 503:
      return "SERVICE_UNAVAILABLE";
    default:
      return status < 500 ? "BAD_REQUEST" : "INTERNAL";
  }
}

const char* info_text(PollKind kind) {
  switch (kind) {
    case PollKind::kWaited:
      return nullptr;
    case PollKind::kRequested:
      return "requested";
    case PollKind::kWaitIdBusy:
      return "wait-id-busy";
    case PollKind::kFallback:
      return "fallback";
    case PollKind::kClosing:
      return "closing";
    case PollKind::kExpired:
      return "expired";
  }
  return nullptr;
}

// The status of an SQLSTATE `PTnnn`, 0 when it is another one or nnn is no error status.
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

// The first that fits.
constexpr Fault kFaults[] = {
    {"40003", SqlFault::kUnavailable},  // statement_completion_unknown: it may have been executed
    {"40002", SqlFault::kInternal},     // a constraint of the application's, at COMMIT
    {"40", SqlFault::kConflict},
    {"0A000", SqlFault::kSession},  // "cached plan must not change result type": an upgrade
    {"25006", SqlFault::kSession},  // read_only_sql_transaction: a standby
    {"25P02", SqlFault::kSession},  // in_failed_sql_transaction: a pooler's session that another client left so
    {"26000", SqlFault::kSession},  // a prepared statement that is not there: a pooler
    {"42P05", SqlFault::kSession},  // or is there already
    {"08", SqlFault::kUnavailable},
    {"25P03", SqlFault::kUnavailable},  // idle_in_transaction_session_timeout
    {"25P04", SqlFault::kUnavailable},  // transaction_timeout
    {"53", SqlFault::kUnavailable},
    {"55006", SqlFault::kUnavailable},  // object_in_use
    {"55P03", SqlFault::kUnavailable},  // lock_not_available
    {"57", SqlFault::kUnavailable},
    {"58", SqlFault::kUnavailable},
    {"72000", SqlFault::kUnavailable},  // snapshot_too_old
};

// Moves the members of the DETAIL object into `error`: `code` to its place, the others behind the message. The members
// that the body has already may not be given a second time. `retry-after` (seconds) goes into the header as well.
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

std::string id_in_json(std::string_view cursor) {
  const std::string text(cursor);
  return cursor.find_first_not_of("0123456789") == std::string_view::npos ? text : '"' + text + '"';
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

Reply error_reply(const Error& error) {
  Reply reply;
  reply.status = error.status;
  reply.headers = {{"Content-Type", kJson}, {"Cache-Control", "no-store"}};
  if (!error.allow.empty()) {
    reply.headers.push_back({"Allow", error.allow});
  }
  if (error.retry_after > 0) {
    reply.headers.push_back({"Retry-After", std::to_string(error.retry_after)});
  }
  if (!error.challenge.empty()) {
    reply.headers.push_back({"WWW-Authenticate", error.challenge});
  }
  reply.body = "{\"result\":\"error\",\"code\":\"";
  append_json_escaped(reply.body, error.code.empty() ? usual_code(error.status) : error.code);
  reply.body += "\",\"msg\":\"";
  append_json_escaped(reply.body, error.msg);
  reply.body += '"';
  if (!error.extra.empty()) {
    reply.body += ',' + error.extra;
  }
  reply.body += '}';
  return reply;
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
  Error error;
  error.status = raised_status(sqlstate);
  error.msg = message;
  take_detail(detail, error);
  if (error.status != 429 && error.status != 503) {
    error.retry_after = 0;
  } else if (error.retry_after == 0) {
    error.retry_after = retry_after;
  }
  return error;
}

Error method_not_allowed(const std::string& methods) {
  Error error;
  error.status = 405;
  error.msg = "Method not allowed";
  error.allow = methods + ", OPTIONS";
  return error;
}

Error too_early() {
  Error error;
  error.status = 425;
  error.msg = "Not accepted as early data; send it again after the TLS handshake";
  return error;
}

Error internal_error() {
  Error error;
  error.status = 500;
  error.msg = "Internal error";
  return error;
}

Error body_too_large(std::size_t limit) {
  Error error;
  error.status = 413;
  error.msg = "The body is larger than " + std::to_string(limit) + " bytes";
  return error;
}

Error database_away(unsigned retry_after) {
  Error error;
  error.status = 503;
  error.msg = "The database is not available";
  error.retry_after = retry_after;
  return error;
}

Reply poll_reply(std::string array, std::uint64_t cursor, PollKind kind, unsigned poll_interval) {
  const bool at_once = kind == PollKind::kWaited || kind == PollKind::kClosing || kind == PollKind::kExpired;
  Reply reply;
  reply.headers = {{"Content-Type", kJson},
                   {"Cache-Control", "no-store"},
                   {"X-PS-Reconnect-In", std::to_string(at_once ? 0 : poll_interval)},
                   {"Last-Event-ID", std::to_string(cursor)}};
  if (const char* info = info_text(kind)) {
    reply.headers.push_back({"X-Shortpoll-Info", info});
  }
  reply.body = std::move(array);
  return reply;
}

std::vector<Header> stream_headers() {
  return {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
}

std::string stream_opening(unsigned retry_ms, std::uint64_t cursor) {
  return stream_opening(retry_ms, std::to_string(cursor));
}

std::string stream_opening(unsigned retry_ms, std::string_view cursor) {
  return "retry: " + std::to_string(retry_ms) + '\n' + stream_cursor(cursor);
}

std::string stream_waiting(unsigned retry_ms, const Cursor& cursor) {
  return ": waiting for the database\n" + stream_opening(retry_ms, cursor_text(cursor));
}

unsigned spread_retry(unsigned usual_ms, unsigned times, std::uint32_t random) noexcept {
  const std::uint64_t most = std::uint64_t{usual_ms} * times;
  const std::uint64_t retry = usual_ms + random % (most - usual_ms + 1);
  return static_cast<unsigned>(std::min<std::uint64_t>(retry, UINT32_MAX));
}

std::string stream_cursor(std::uint64_t cursor) {
  return stream_cursor(std::to_string(cursor));
}

std::string stream_cursor(std::string_view cursor) {
  return "event: pgevents.cursor\ndata:\nid: " + std::string(cursor) + "\n\n";
}

std::string stream_expired(std::string_view cursor, std::string_view reason, bool envelope, std::string_view channel,
                           std::int64_t ts_us) {
  EventView event;
  event.channel = channel;
  event.ts_us = ts_us;
  event.type = "pgevents.expired";
  const std::string data = "{\"reason\":\"" + std::string(reason) + "\"}";
  event.data = data;
  std::string object;
  if (envelope) {
    append_json(object, event);
    object.replace(0, std::string_view("{\"id\":0").size(), "{\"id\":" + id_in_json(cursor));
  }
  const std::string& line = envelope ? object : data;
  return "event: " + std::string(event.type) + "\ndata: " + line + "\nid: " + std::string(cursor) + "\n\n";
}

Reply options_reply(const std::string& methods, const std::vector<Header>& headers) {
  Reply reply;
  reply.status = 204;
  reply.headers = {{"Allow", methods + ", OPTIONS"}};
  reply.headers.insert(reply.headers.end(), headers.begin(), headers.end());
  return reply;
}

Reply publish_reply(std::string_view result) {
  std::string id;
  json_members(result, [&id](const std::string& name, std::string_view value) {
    if (name == "id" && json_is_number(value)) {
      id = value;
    }
  });
  if (id.empty()) {
    return error_reply(internal_error());
  }
  Reply reply;
  reply.status = 201;
  reply.headers = {{"Content-Type", kJson}, {"Cache-Control", "no-store"}};
  reply.body = "{\"result\":\"success\",\"id\":" + id + '}';
  return reply;
}

}  // namespace pgevents
