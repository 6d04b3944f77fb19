// See reply.hpp.
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
    case 426:
      return "UPGRADE_REQUIRED";
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

constexpr std::string_view kExpiredType = "pgevents.expired";

std::string expired_data(std::string_view reason) {
  return "{\"reason\":\"" + std::string(reason) + "\"}";
}

std::string id_in_json(std::string_view cursor) {
  const std::string text(cursor);
  return cursor.find_first_not_of("0123456789") == std::string_view::npos ? text : '"' + text + '"';
}

}  // namespace

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
  if (!error.web_socket_version.empty()) {
    reply.headers.push_back({"Upgrade", "websocket"});
    reply.headers.push_back({"Sec-WebSocket-Version", error.web_socket_version});
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

std::string expired_object(std::string_view cursor, std::string_view reason, std::string_view channel,
                           std::int64_t ts_us) {
  EventView event;
  event.channel = channel;
  event.ts_us = ts_us;
  event.type = kExpiredType;
  const std::string data = expired_data(reason);
  event.data = data;
  std::string object;
  append_json(object, event);
  return object.replace(0, std::string_view("{\"id\":0").size(), "{\"id\":" + id_in_json(cursor));
}

std::string stream_expired(std::string_view cursor, std::string_view reason, bool envelope, std::string_view channel,
                           std::int64_t ts_us) {
  const std::string line = envelope ? expired_object(cursor, reason, channel, ts_us) : expired_data(reason);
  return "event: " + std::string(kExpiredType) + "\ndata: " + line + "\nid: " + std::string(cursor) + "\n\n";
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
