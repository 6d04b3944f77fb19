// Routes a request: path → channels and wait id, then access, then the parameters. All errors about a request come from
// here, so both front-ends give the same ones.
#include "core/request/request.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "core/request/handshake_headers.hpp"
#include "core/request/path.hpp"
#include "core/text/header_value.hpp"
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kEventsSegment = "events";
constexpr char kEventsMethods[] = "GET, HEAD, POST";
constexpr std::size_t kMaxWaitIdBytes = 128;
constexpr std::size_t kMaxKeyBytes = 255;

using Segments = std::vector<PathSegment>;

// Takes the base from the front of `segments`. False if the path does not begin with it.
bool take_base(Segments& segments, std::string_view base) {
  while (!base.empty() && base.back() == '/') {
    base.remove_suffix(1);
  }
  if (!base.empty() && base.front() == '/') {
    base.remove_prefix(1);
  }
  if (base.empty()) {
    return true;
  }
  const auto wanted = split(base, '/');
  const bool begins =
      segments.size() > wanted.size() &&
      std::equal(wanted.begin(), wanted.end(), segments.begin(),
                 [](std::string_view text, const PathSegment& segment) { return text == segment.text; });
  if (begins) {
    segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(wanted.size()));
  }
  return begins;
}

// The segments after `events`: channel list, and perhaps a wait id. An empty wait id counts as absent.
std::optional<Segments> event_segments(const Segments& segments, bool anywhere) {
  const auto is_events = [](const PathSegment& segment) { return segment.text == kEventsSegment; };
  auto events = segments.begin();
  if (anywhere) {
    events = std::find_if(segments.begin(), segments.end(), is_events);
  }
  if (events == segments.end() || !is_events(*events) || segments.end() - events > 3) {
    return std::nullopt;
  }
  Segments behind(events + 1, segments.end());
  if (behind.size() == 2 && behind.back().text.empty()) {
    behind.pop_back();
  }
  return behind;
}

// Checks the channel list in the order of the request (so that errors name the first bad one), then sorts it. A name
// that is repeated is checked once; checking stops at the first name beyond the limit.
std::optional<Error> read_channels(const Segments& segments, const RouteRules& rules, const Caller& caller,
                                   Action action, std::vector<std::string>& channels) {
  if (segments.empty() || segments[0].text.empty()) {
    return make_error(400, "No channel given");
  }
  std::set<std::string> names;
  std::vector<std::string_view> in_order;
  for (const std::string_view part : segments[0].parts()) {
    const auto [name, is_new] = names.insert(segments[0].name_of(part));
    if (!is_new) {
      continue;
    }
    const bool good = rules.names != nullptr ? rules.names->matches(*name) : name_is_sane(*name);
    if (!good) {
      return make_error(400, naming("Invalid channel name", *name));
    }
    if (names.size() > rules.max_channels) {
      return make_error(400, "Too many channels (at most " + std::to_string(rules.max_channels) + ")");
    }
    in_order.push_back(*name);
  }
  for (const std::string_view name : in_order) {
    if (auto error = check_grant(caller, rules.access, action, name)) {
      return error;
    }
  }
  channels.assign(names.begin(), names.end());
  return std::nullopt;
}

bool wait_id_is_good(std::string_view wait_id) {
  return !wait_id.empty() && wait_id.size() <= kMaxWaitIdBytes &&
         std::all_of(wait_id.begin(), wait_id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("_.:@=+-").find(c) != std::string_view::npos;
         });
}

// Makes the subscription one of a WebSocket. A wait id has no effect.
std::optional<Error> open_web_socket(const Request& request, const RouteRules& rules, const Caller& caller,
                                     Subscription& out) {
  WebSocketOpening opening;
  if (auto error = check_handshake_origin(request, caller, rules.access, opening.may_write)) {
    return error;
  }
  opening.bare = offers_nothing(request) && out.no_envelope;
  opening.caller = caller;
  out.flavor = Flavor::kWebSocket;
  out.wait_id.clear();
  out.web_socket = std::move(opening);
  return std::nullopt;
}

Route subscription(const Request& request, const RouteRules& rules, const Caller& caller, const Segments& segments) {
  Subscription out;
  out.session = caller.session;
  out.head_only = request.method == "HEAD";
  if (auto error = read_channels(segments, rules, caller, Action::kSubscribe, out.channels)) {
    return *error;
  }
  if (segments.size() > 1) {
    if (!wait_id_is_good(segments[1].text)) {
      return make_error(400, "Invalid wait id");
    }
    out.wait_id = segments[1].text;
  }
  if (auto error = read_parameters(request, out)) {
    return *error;
  }
  if (is_handshake(request)) {
    if (auto error = open_web_socket(request, rules, caller, out)) {
      return *error;
    }
  }
  return out;
}

// Sets `form` if the body is one; without a Content-Type it is JSON. A compressed body is rejected (RFC 9110, section
// 15.5.16).
std::optional<Error> read_body_form(const Request& request, const char* verb, bool& form) {
  const std::string_view encoding = request.content_encoding;
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return make_error(415, naming("Send the body without Content-Encoding", encoding));
  }
  const std::string_view type = media_type(request.content_type);
  form = equals_ignoring_case(type, "application/x-www-form-urlencoded");
  if (form || type.empty() || equals_ignoring_case(type, "application/json")) {
    return std::nullopt;
  }
  return make_error(415, std::string(verb) + " application/json or application/x-www-form-urlencoded");
}

Route publication(const Request& request, const RouteRules& rules, const Caller& caller, const Segments& segments) {
  if (auto error = check_origin(request, caller, rules.access)) {
    return *error;
  }
  if (segments.size() > 1) {
    return make_error(400, "A wait id makes no sense when publishing");
  }
  std::vector<std::string> channels;
  if (auto error = read_channels(segments, rules, caller, Action::kPublish, channels)) {
    return *error;
  }
  if (channels.size() != 1) {
    return make_error(400, "Publish to exactly one channel");
  }
  Publication out;
  out.session = caller.session;
  if (auto error = read_body_form(request, "Publish", out.form)) {
    return *error;
  }
  const std::string_view key = request.idempotency_key;
  if (!key.empty() && (key.size() > kMaxKeyBytes || has_control(key) || !utf8_valid(key))) {
    return make_error(400, "Invalid Idempotency-Key");
  }
  out.channel = std::move(channels.front());
  out.idempotency_key = key;
  return out;
}

// Rejects a caller without a user; the error shows whether a token would help.
std::optional<Error> check_name(const Caller& caller, const AccessRules& rules) {
  if (!caller.session.identity.user.empty()) {
    return std::nullopt;
  }
  Error error = make_error(401, "Authentication required");
  error.fault = AuthFault::kMissing;
  if (rules.token.keys != nullptr && !rules.token.keys->empty()) {
    error.challenge = "Bearer";
  }
  return error;
}

Route call(const Request& request, const RouteRules& rules, const Caller& caller, const Resource& resource) {
  const bool writes = request.method == resource.write_method;
  if (writes) {
    if (auto error = check_origin(request, caller, rules.access)) {
      return *error;
    }
  }
  if (auto error = check_name(caller, rules.access)) {
    return *error;
  }
  Call out;
  out.endpoint = writes ? *resource.write : *resource.read;
  out.session = caller.session;
  out.has_body = writes;
  out.head_only = request.method == "HEAD";
  if (!writes) {
    out.user = resource.user == "me" ? out.session.identity.user : resource.user;
    if (!resource.user.empty() && !name_is_sane(out.user)) {
      return make_error(400, "No such user");
    }
    out.query = request.query;
  } else if (auto error = read_body_form(request, "Send", out.form)) {
    return *error;
  }
  return out;
}

// What path and method ask for.
struct Target {
  std::optional<Segments> events;  // after `events`
  std::optional<Resource> resource;
  std::string methods;  // without OPTIONS

  bool allows(std::string_view method) const {
    const bool reads = method == "GET" || method == "HEAD";
    if (events) {
      return reads || method == "POST";
    }
    return reads ? resource->read.has_value() : resource->write && method == resource->write_method;
  }
};

// Nothing if the path is not one of pgevents.
std::optional<Target> find_target(Segments segments, std::string_view base) {
  const bool anywhere = base.empty();
  if (!take_base(segments, base)) {
    return std::nullopt;
  }
  if (auto events = event_segments(segments, anywhere)) {
    return Target{std::move(events), {}, kEventsMethods};
  }
  auto resource = find_resource(segments, anywhere);
  if (!resource) {
    return std::nullopt;
  }
  std::string methods = methods_of(*resource);
  return Target{{}, std::move(resource), std::move(methods)};
}

// An attacker can send recorded early data again any number of times. A publication with a key is still stored only
// once.
bool may_be_replayed(const Request& request, const Target& target) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  return request.early_data && !reads && (!target.events || request.idempotency_key.empty());
}

// A preflight has no credentials: the request that follows it has (Fetch standard, "CORS-preflight fetch").
PreflightAnswer preflight_answer(const Request& request, const RouteRules& rules, const std::string& methods) {
  if (request.preflight_method.empty()) {
    return {methods, {}};
  }
  return {methods, preflight_headers(rules.access.origins, request.origin, methods)};
}

// If it is unknown for now whether the token was revoked, a stream or WebSocket can wait for the answer.
Route unless_unchecked(const Caller& caller, bool checks_later, Route wanted) {
  if (!caller.unchecked || std::holds_alternative<Error>(wanted)) {
    return wanted;
  }
  const auto* subscription = std::get_if<Subscription>(&wanted);
  const bool may_wait = subscription != nullptr ? stays(subscription->flavor) : checks_later;
  return may_wait ? wanted : Route(*caller.unchecked);
}

// The target of a request for which the path is good.
std::variant<Error, Target> read_target(const Request& request, std::string_view base) {
  auto segments = split_path({request.path, request.target, request.mount});
  if (!segments) {
    return make_error(400, "An encoded slash in a path with '.', '..' or '//'");
  }
  auto target = find_target(std::move(*segments), base);
  if (!target) {
    return make_error(404, "Not found");
  }
  return std::move(*target);
}

Route wanted_by(const Request& request, const RouteRules& rules, const Caller& caller, const Target& target) {
  if (target.resource) {
    return unless_unchecked(caller, rules.checks_later, call(request, rules, caller, *target.resource));
  }
  const bool publishes = request.method == "POST";
  return unless_unchecked(caller, rules.checks_later,
                          publishes ? publication(request, rules, caller, *target.events)
                                    : subscription(request, rules, caller, *target.events));
}

// What identity and access do not matter for. Frames behind a handshake in early data could be a replay too.
std::optional<Error> check_form(const Request& request, const Target& target) {
  const bool handshake = target.events && is_handshake(request);
  if (may_be_replayed(request, target) || (handshake && request.early_data)) {
    return too_early();
  }
  return handshake ? check_handshake(request) : std::nullopt;
}

}  // namespace

Route route(const Request& request, const RouteRules& rules, double now, std::optional<Identity>* identified) {
  const auto found = read_target(request, rules.base);
  if (const auto* error = std::get_if<Error>(&found)) {
    return *error;
  }
  const auto& target = std::get<Target>(found);
  if (request.method == "OPTIONS") {
    return preflight_answer(request, rules, target.methods);
  }
  if (!target.allows(request.method)) {
    return method_not_allowed(target.methods);
  }
  if (auto error = check_form(request, target)) {
    return *error;
  }
  const auto caller = identify(request, rules.access, now);
  const auto* error = std::get_if<Error>(&caller);
  if (identified != nullptr) {
    *identified = error != nullptr ? Identity{} : std::get<Caller>(caller).session.identity;
  }
  return error != nullptr ? *error : wanted_by(request, rules, std::get<Caller>(caller), target);
}

Route route_as(const Request& request, const RouteRules& rules, const Caller& caller) {
  const auto found = read_target(request, rules.base);
  if (const auto* error = std::get_if<Error>(&found)) {
    return *error;
  }
  const auto& target = std::get<Target>(found);
  return target.allows(request.method) ? wanted_by(request, rules, caller, target)
                                       : Route(method_not_allowed(target.methods));
}

}  // namespace pgevents
