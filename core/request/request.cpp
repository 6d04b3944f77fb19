// Routing: path → channels and wait id, then access, then the parameters. Every complaint about a request is made
// here, so that both front-ends make the same ones.
#include "core/request/request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <system_error>

#include "core/request/complaint.hpp"
#include "core/request/path.hpp"
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kEventsSegment = "events";
constexpr char kEventsMethods[] = "GET, HEAD, POST";
constexpr std::size_t kMaxWaitIdBytes = 128;
constexpr std::size_t kMaxFilterTypes = 64;
constexpr std::size_t kMaxKeyBytes = 255;

using Segments = std::vector<PathSegment>;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

// The media type alone, without parameters and white space around it.
std::string_view media_type(std::string_view text) {
  text = text.substr(0, text.find(';'));
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) {
    return {};
  }
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

bool accepts_event_stream(std::string_view accept) {
  const auto ranges = split(accept, ',');
  return std::any_of(ranges.begin(), ranges.end(), [](std::string_view range) {
    return equals_ignoring_case(media_type(range), "text/event-stream");
  });
}

// Takes the base from the front of `segments`. False: the path is not ours.
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

// The segments behind `events`: channel list, and perhaps a wait id. An empty wait id is none.
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

// Checks the channel list in the order of the request (so that errors name the first bad one) and sorts it then. A name
// is looked at once however often it stands there, and no name behind the last that may be.
std::optional<Error> read_channels(const Segments& segments, const Settings& settings, const Caller& caller,
                                   Action action, std::vector<std::string>& channels) {
  if (segments.empty() || segments[0].text.empty()) {
    return complain(400, "No channel given");
  }
  std::set<std::string> names;
  std::vector<std::string_view> in_order;
  for (const std::string_view part : segments[0].parts()) {
    const auto [name, is_new] = names.insert(segments[0].name_of(part));
    if (!is_new) {
      continue;
    }
    const bool good = settings.names != nullptr ? settings.names->matches(*name) : name_is_sane(*name);
    if (!good) {
      return complain(400, naming("Invalid channel name", *name));
    }
    if (names.size() > settings.max_channels) {
      return complain(400, "Too many channels (at most " + std::to_string(settings.max_channels) + ")");
    }
    in_order.push_back(*name);
  }
  for (const std::string_view name : in_order) {
    if (auto error = check_grant(caller, settings.access, action, name)) {
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

// The parameters of a subscription. Unknown ones are ignored: caches, proxies and libraries add some.
class Query {
 public:
  // A library appends its cursor to a URL that has one already, and a second one behind its own: the last counts.
  std::optional<Error> read(std::string_view text) {
    FormFields fields;
    if (auto wrong = parse_form(text, "query", fields)) {
      return complain(400, std::move(*wrong));
    }
    for (auto& [name, value] : fields) {
      const std::size_t i = index_of(name);
      if (i == kNames.size()) {
        continue;
      }
      if (values_[i] && i >= kCursors) {
        return given_twice("Parameter", name);
      }
      if (!values_[i] || !value.empty()) {
        values_[i] = std::move(value);
      }
    }
    return std::nullopt;
  }

  std::string_view get(std::string_view name) const {
    const auto& value = values_[index_of(name)];
    return value ? std::string_view(*value) : std::string_view();
  }

  // The cursor under the names that libraries give theirs wins over that of the application's URL.
  std::string_view cursor() const {
    for (std::size_t i = 0; i < kCursors; ++i) {
      if (values_[i] && !values_[i]->empty()) {
        return *values_[i];
      }
    }
    return {};
  }

 private:
  static constexpr std::array<std::string_view, 9> kNames = {
      "lastEventId", "lastEventID", "last_event_id",  // cursors, in the order in which they count
      "flavor",      "types",       "not_types",     "envelope", "timeout", "access_token"};
  static constexpr std::size_t kCursors = 3;

  static std::size_t index_of(std::string_view name) {
    return static_cast<std::size_t>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  }

  std::array<std::optional<std::string>, kNames.size()> values_;
};

std::optional<Error> read_cursor(const Request& request, const Query& query, Subscription& out) {
  const auto cursor = parse_cursor(request.last_event_id.empty() ? query.cursor() : request.last_event_id);
  if (!cursor) {
    return complain(400, "Invalid Last-Event-ID");
  }
  out.cursor = *cursor;
  return std::nullopt;
}

std::optional<Error> read_flavor(const Request& request, const Query& query, Subscription& out) {
  const std::string_view flavor = request.flavor.empty() ? query.get("flavor") : request.flavor;
  if (flavor.empty()) {
    if (accepts_event_stream(request.accept)) {
      out.flavor = Flavor::kEventSource;
    }
  } else if (flavor == "eventsource") {
    out.flavor = Flavor::kEventSource;
  } else if (flavor == "poll") {
    out.flavor = Flavor::kPoll;
  } else if (flavor != "long-poll") {
    return complain(400, naming("Unknown flavor", flavor));
  }
  if (out.head_only) {
    out.flavor = Flavor::kPoll;
  }
  return std::nullopt;
}

// Types are not held against the pattern here: applications may publish others through SQL.
std::optional<Error> read_filter(const Query& query, Subscription& out) {
  const std::string_view wanted = query.get("types");
  const std::string_view unwanted = query.get("not_types");
  if (wanted.empty() && unwanted.empty()) {
    return std::nullopt;
  }
  if (!wanted.empty() && !unwanted.empty()) {
    return complain(400, "Give either types or not_types");
  }
  const auto types = split(wanted.empty() ? unwanted : wanted, ',');
  if (types.size() > kMaxFilterTypes) {
    return complain(400, "Too many event types (at most " + std::to_string(kMaxFilterTypes) + ")");
  }
  if (!std::all_of(types.begin(), types.end(), name_is_sane)) {
    return complain(400, "Invalid event type");
  }
  out.filter.exclude = wanted.empty();
  out.filter.types.assign(types.begin(), types.end());
  return std::nullopt;
}

std::optional<Error> read_envelope(const Query& query, Subscription& out) {
  const std::string_view value = query.get("envelope");
  if (!value.empty() && value != "0" && value != "1") {
    return complain(400, "Invalid envelope (0 or 1)");
  }
  out.envelope = value == "1";
  return std::nullopt;
}

std::optional<Error> read_timeout(const Query& query, Subscription& out) {
  const std::string_view value = query.get("timeout");
  if (value.empty()) {
    return std::nullopt;
  }
  double seconds = 0;
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, seconds, std::chars_format::fixed);
  // The first character excludes signs, `inf` and `nan`.
  if (value.front() < '0' || value.front() > '9' || result.ptr != end) {
    return complain(400, "Invalid timeout");
  }
  if (result.ec == std::errc::result_out_of_range) {
    seconds = std::numeric_limits<double>::max();
  }
  out.timeout = seconds;
  return std::nullopt;
}

Route subscription(const Request& request, const Settings& settings, const Caller& caller, const Segments& segments) {
  Subscription out;
  out.session = caller.session;
  out.head_only = request.method == "HEAD";
  if (auto error = read_channels(segments, settings, caller, Action::kSubscribe, out.channels)) {
    return *error;
  }
  if (segments.size() > 1) {
    if (!wait_id_is_good(segments[1].text)) {
      return complain(400, "Invalid wait id");
    }
    out.wait_id = segments[1].text;
  }
  Query query;
  if (auto error = query.read(request.query)) {
    return *error;
  }
  if (auto error = read_cursor(request, query, out)) {
    return *error;
  }
  if (auto error = read_flavor(request, query, out)) {
    return *error;
  }
  if (auto error = read_filter(query, out)) {
    return *error;
  }
  if (auto error = read_envelope(query, out)) {
    return *error;
  }
  if (auto error = read_timeout(query, out)) {
    return *error;
  }
  return out;
}

// Whether the body is a form; nothing said means JSON. A compressed body is refused (RFC 9110, section 15.5.16).
std::optional<Error> read_body_form(const Request& request, const char* verb, bool& form) {
  const std::string_view encoding = request.content_encoding;
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return complain(415, naming("Send the body without Content-Encoding", encoding));
  }
  const std::string_view type = media_type(request.content_type);
  form = equals_ignoring_case(type, "application/x-www-form-urlencoded");
  if (form || type.empty() || equals_ignoring_case(type, "application/json")) {
    return std::nullopt;
  }
  return complain(415, std::string(verb) + " application/json or application/x-www-form-urlencoded");
}

Route publication(const Request& request, const Settings& settings, const Caller& caller, const Segments& segments) {
  if (auto error = check_origin(request, caller, settings.access)) {
    return *error;
  }
  if (segments.size() > 1) {
    return complain(400, "A wait id makes no sense when publishing");
  }
  std::vector<std::string> channels;
  if (auto error = read_channels(segments, settings, caller, Action::kPublish, channels)) {
    return *error;
  }
  if (channels.size() != 1) {
    return complain(400, "Publish to exactly one channel");
  }
  Publication out;
  out.session = caller.session;
  if (auto error = read_body_form(request, "Publish", out.form)) {
    return *error;
  }
  const std::string_view key = request.idempotency_key;
  if (!key.empty() && (key.size() > kMaxKeyBytes || has_control(key) || !utf8_valid(key))) {
    return complain(400, "Invalid Idempotency-Key");
  }
  out.channel = std::move(channels.front());
  out.idempotency_key = key;
  return out;
}

// Whoever has no name is refused here already, and told whether a token would help.
std::optional<Error> check_name(const Caller& caller, const AccessRules& rules) {
  if (!caller.session.identity.user.empty()) {
    return std::nullopt;
  }
  Error error = complain(401, "Authentication required");
  if (rules.token.keys != nullptr && !rules.token.keys->empty()) {
    error.challenge = "Bearer";
  }
  return error;
}

Route call(const Request& request, const Settings& settings, const Caller& caller, const Resource& resource) {
  const bool writes = request.method == resource.write_method;
  if (writes) {
    if (auto error = check_origin(request, caller, settings.access)) {
      return *error;
    }
  }
  if (auto error = check_name(caller, settings.access)) {
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
      return complain(400, "No such user");
    }
    out.query = request.query;
  } else if (auto error = read_body_form(request, "Send", out.form)) {
    return *error;
  }
  return out;
}

// What is to be done with a request, as far as path and method tell.
struct Target {
  std::optional<Segments> events;  // behind `events`
  std::optional<Resource> resource;
  std::string methods;  // but OPTIONS

  bool allows(std::string_view method) const {
    const bool reads = method == "GET" || method == "HEAD";
    if (events) {
      return reads || method == "POST";
    }
    return reads ? resource->read.has_value() : resource->write && method == resource->write_method;
  }
};

// Nothing when the path is not ours.
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

// An attacker can send recorded early data again any number of times. A publication with a key is stored once all the
// same.
bool may_be_replayed(const Request& request, const Target& target) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  return request.early_data && !reads && (!target.events || request.idempotency_key.empty());
}

// A preflight brings no credentials: the request that follows it will (Fetch standard, "CORS-preflight fetch").
Options options(const Request& request, const Settings& settings, const std::string& methods) {
  if (request.preflight_method.empty()) {
    return {methods, {}};
  }
  return {methods, preflight_headers(settings.access.origins, request.origin, methods)};
}

// Where nobody can tell now whether the token was revoked, only an event stream can wait until somebody can.
Route unless_unchecked(const Caller& caller, Route wanted) {
  if (!caller.unchecked || std::holds_alternative<Error>(wanted)) {
    return wanted;
  }
  const auto* subscription = std::get_if<Subscription>(&wanted);
  return subscription != nullptr && subscription->flavor == Flavor::kEventSource ? wanted : Route(*caller.unchecked);
}

}  // namespace

Route route(const Request& request, const Settings& settings, double now) {
  auto segments = split_path({request.path, request.target, request.mount});
  if (!segments) {
    return complain(400, "An encoded slash in a path with '.', '..' or '//'");
  }
  const auto target = find_target(std::move(*segments), settings.base);
  if (!target) {
    return complain(404, "Not found");
  }
  if (request.method == "OPTIONS") {
    return options(request, settings, target->methods);
  }
  if (!target->allows(request.method)) {
    return method_not_allowed(target->methods);
  }
  if (may_be_replayed(request, *target)) {
    return too_early();
  }
  const auto caller = identify(request, settings.access, now);
  if (const auto* error = std::get_if<Error>(&caller)) {
    return *error;
  }
  const auto& known = std::get<Caller>(caller);
  if (target->resource) {
    return unless_unchecked(known, call(request, settings, known, *target->resource));
  }
  const bool publishes = request.method == "POST";
  return unless_unchecked(known, publishes ? publication(request, settings, known, *target->events)
                                           : subscription(request, settings, known, *target->events));
}

}  // namespace pgevents
