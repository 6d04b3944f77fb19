// From an HTTP request to what is wanted, the same for module and fallback: the routes, their parameters
// and every complaint about them. Knows nothing of nginx, FastCGI or PostgreSQL.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cursor.hpp"
#include "name_pattern.hpp"
#include "reply.hpp"
#include "type_filter.hpp"

namespace pgevents {

// What a front-end hands over. `path` is percent-decoded, `query` is not.
struct Request {
  std::string_view method;
  std::string_view path;
  std::string_view query;
  std::string_view accept;
  std::string_view last_event_id;
  std::string_view flavor;  // the `Flavor` header
  std::string_view content_type;
  std::string_view idempotency_key;
};

// What the operator decided. Patterns are space separated names, exact or with a trailing `*`.
struct Settings {
  std::string_view base;  // path prefix; empty: ends before the first segment `events`
  const NamePattern* names = nullptr;
  std::size_t max_channels = 64;
  std::string_view subscribe;  // who may listen where: nothing given, nobody
  std::string_view publish;
};

enum class Flavor { kLongPoll, kEventSource, kPoll };

struct Subscription {
  std::vector<std::string> channels;  // sorted, each once
  Cursor cursor;
  Flavor flavor = Flavor::kLongPoll;
  bool head_only = false;  // HEAD: answer as a poll without a body
  bool envelope = false;
  TypeFilter filter;
  std::string wait_id;
  std::optional<double> timeout;  // seconds
};

struct Publication {
  std::string channel;
  std::string idempotency_key;
  bool form = false;  // the body is application/x-www-form-urlencoded
};

struct Options {};

using Route = std::variant<Error, Subscription, Publication, Options>;

// Decides what `request` wants. Access is checked here too (403 names the first refused channel).
Route route(const Request& request, const Settings& settings);

// Turns a publish body into the JSON text that `pgevents.http_publish` takes, and checks what can be checked without
// the database: JSON syntax, the event type against the pattern. Sets `json` or returns the error.
std::optional<Error> publish_body(const Publication& publication, std::string_view body, const NamePattern& names,
                                  std::string& json);

// True when `name` is matched by one of the space separated `patterns`.
bool granted(std::string_view patterns, std::string_view name) noexcept;

}  // namespace pgevents
