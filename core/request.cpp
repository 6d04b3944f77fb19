// Routing: path → channels and wait id, then access, then the parameters. Every complaint about a request is made
// here, so that both front-ends make the same ones.
#include "request.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <system_error>

#include "url.hpp"
#include "utf8.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kEventsSegment = "events";
constexpr char kEventsMethods[] = "GET, HEAD, POST";
constexpr std::size_t kMaxWaitIdBytes = 128;
constexpr std::size_t kMaxFilterTypes = 64;
constexpr std::size_t kMaxKeyBytes = 255;

Error complain(int status, std::string msg) {
  Error error;
  error.status = status;
  error.msg = std::move(msg);
  return error;
}

// `what 'value'`, or only `what` when the value is too long or not printable enough to be repeated. A token that has got
// into the wrong place is too long: its signature alone has 43 characters.
std::string naming(std::string_view what, std::string_view value) {
  constexpr std::size_t kMostRepeated = 40;
  std::string msg(what);
  if (value.size() <= kMostRepeated && utf8_valid(value)) msg.append(" '").append(value).append("'");
  return msg;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

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
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

bool accepts_event_stream(std::string_view accept) {
  const auto ranges = split(accept, ',');
  return std::any_of(ranges.begin(), ranges.end(), [](std::string_view range) {
    return equals_ignoring_case(media_type(range), "text/event-stream");
  });
}

// The segments of `path` behind the base. Nothing when the path is not ours.
std::optional<std::vector<std::string_view>> behind_base(std::string_view path, std::string_view base) {
  while (!base.empty() && base.back() == '/') base.remove_suffix(1);
  if (!base.empty() && base.front() == '/') base.remove_prefix(1);
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  if (base.empty()) return split(path, '/');
  if (path.substr(0, base.size()) != base || path.size() <= base.size() || path[base.size()] != '/')
    return std::nullopt;
  return split(path.substr(base.size() + 1), '/');
}

// The segments behind `events`: channel list, and perhaps a wait id.
std::optional<std::vector<std::string_view>> event_segments(std::vector<std::string_view> segments, bool anywhere) {
  auto events = segments.begin();
  if (anywhere) events = std::find(segments.begin(), segments.end(), kEventsSegment);
  if (events == segments.end() || *events != kEventsSegment) return std::nullopt;
  segments.erase(segments.begin(), events + 1);
  if (segments.size() > 2) return std::nullopt;
  return segments;
}

// Checks the channel list in the order of the request (so that errors name the first bad one) and sorts it then.
std::optional<Error> read_channels(std::string_view list, const Settings& settings, const Caller& caller, Action action,
                                   std::vector<std::string>& channels) {
  if (list.empty()) return complain(400, "No channel given");
  const auto names = split(list, ',');
  for (const std::string_view name : names) {
    const bool good = settings.names != nullptr ? settings.names->matches(name) : name_is_sane(name);
    if (!good) return complain(400, naming("Invalid channel name", name));
  }
  channels.assign(names.begin(), names.end());
  std::sort(channels.begin(), channels.end());
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  if (channels.size() > settings.max_channels) {
    return complain(400, "Too many channels (at most " + std::to_string(settings.max_channels) + ")");
  }
  for (const std::string_view name : names) {
    if (auto error = check_grant(caller, settings.access, action, name)) return error;
  }
  return std::nullopt;
}

bool wait_id_is_good(std::string_view wait_id) {
  return !wait_id.empty() && wait_id.size() <= kMaxWaitIdBytes &&
         std::all_of(wait_id.begin(), wait_id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("_.:@=+-").find(c) != std::string_view::npos;
         });
}

// The query, of which a name's first value that is not empty counts.
class Query {
 public:
  explicit Query(FormFields fields) : fields_(std::move(fields)) {}

  std::string_view get(std::initializer_list<std::string_view> names) const {
    for (const auto& [name, value] : fields_) {
      if (!value.empty() && std::find(names.begin(), names.end(), name) != names.end()) return value;
    }
    return {};
  }

 private:
  FormFields fields_;
};

std::optional<Error> read_cursor(const Request& request, const Query& query, Subscription& out) {
  const auto from_query = query.get({"last_event_id", "lastEventId", "lastEventID"});
  const auto cursor = parse_cursor(request.last_event_id.empty() ? from_query : request.last_event_id);
  if (!cursor) return complain(400, "Invalid Last-Event-ID");
  out.cursor = *cursor;
  return std::nullopt;
}

std::optional<Error> read_flavor(const Request& request, const Query& query, Subscription& out) {
  const std::string_view flavor = request.flavor.empty() ? query.get({"flavor"}) : request.flavor;
  if (flavor.empty()) {
    if (accepts_event_stream(request.accept)) out.flavor = Flavor::kEventSource;
  } else if (flavor == "eventsource") {
    out.flavor = Flavor::kEventSource;
  } else if (flavor == "poll") {
    out.flavor = Flavor::kPoll;
  } else if (flavor != "long-poll") {
    return complain(400, naming("Unknown flavor", flavor));
  }
  if (out.head_only) out.flavor = Flavor::kPoll;
  return std::nullopt;
}

// Types are not held against the pattern here: applications may publish others through SQL.
std::optional<Error> read_filter(const Query& query, Subscription& out) {
  const std::string_view wanted = query.get({"types"});
  const std::string_view unwanted = query.get({"not_types"});
  if (wanted.empty() && unwanted.empty()) return std::nullopt;
  if (!wanted.empty() && !unwanted.empty()) return complain(400, "Give either types or not_types");
  const auto types = split(wanted.empty() ? unwanted : wanted, ',');
  if (types.size() > kMaxFilterTypes) {
    return complain(400, "Too many event types (at most " + std::to_string(kMaxFilterTypes) + ")");
  }
  if (!std::all_of(types.begin(), types.end(), name_is_sane)) return complain(400, "Invalid event type");
  out.filter.exclude = wanted.empty();
  out.filter.types.assign(types.begin(), types.end());
  return std::nullopt;
}

std::optional<Error> read_envelope(const Query& query, Subscription& out) {
  const std::string_view value = query.get({"envelope"});
  if (!value.empty() && value != "0" && value != "1") return complain(400, "Invalid envelope (0 or 1)");
  out.envelope = value == "1";
  return std::nullopt;
}

std::optional<Error> read_timeout(const Query& query, Subscription& out) {
  const std::string_view value = query.get({"timeout"});
  if (value.empty()) return std::nullopt;
  double seconds = 0;
  const char* const end = value.data() + value.size();
  const auto result = std::from_chars(value.data(), end, seconds, std::chars_format::fixed);
  // The first character excludes signs, `inf` and `nan`.
  if (value.front() < '0' || value.front() > '9' || result.ptr != end) return complain(400, "Invalid timeout");
  if (result.ec == std::errc::result_out_of_range) seconds = std::numeric_limits<double>::max();
  out.timeout = seconds;
  return std::nullopt;
}

Route subscription(const Request& request, const Settings& settings, const Caller& caller,
                   const std::vector<std::string_view>& segments) {
  Subscription out;
  out.session = caller.session;
  out.head_only = request.method == "HEAD";
  const std::string_view list = segments.empty() ? std::string_view() : segments[0];
  if (auto error = read_channels(list, settings, caller, Action::kSubscribe, out.channels)) return *error;
  if (segments.size() > 1) {
    if (!wait_id_is_good(segments[1])) return complain(400, "Invalid wait id");
    out.wait_id = segments[1];
  }
  auto fields = parse_form(request.query);
  if (!fields) return complain(400, "Invalid encoding in the query");
  const Query query(std::move(*fields));
  if (auto error = read_cursor(request, query, out)) return *error;
  if (auto error = read_flavor(request, query, out)) return *error;
  if (auto error = read_filter(query, out)) return *error;
  if (auto error = read_envelope(query, out)) return *error;
  if (auto error = read_timeout(query, out)) return *error;
  return out;
}

// Whether the body is a form; nothing said means JSON.
std::optional<Error> read_body_form(const Request& request, const char* verb, bool& form) {
  const std::string_view type = media_type(request.content_type);
  form = equals_ignoring_case(type, "application/x-www-form-urlencoded");
  if (form || type.empty() || equals_ignoring_case(type, "application/json")) return std::nullopt;
  return complain(415, std::string(verb) + " application/json or application/x-www-form-urlencoded");
}

Route publication(const Request& request, const Settings& settings, const Caller& caller,
                  const std::vector<std::string_view>& segments) {
  if (auto error = check_origin(request, caller, settings.access)) return *error;
  if (segments.size() > 1) return complain(400, "A wait id makes no sense when publishing");
  std::vector<std::string> channels;
  const std::string_view list = segments.empty() ? std::string_view() : segments[0];
  if (auto error = read_channels(list, settings, caller, Action::kPublish, channels)) return *error;
  if (channels.size() != 1) return complain(400, "Publish to exactly one channel");
  Publication out;
  out.session = caller.session;
  if (auto error = read_body_form(request, "Publish", out.form)) return *error;
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
  if (!caller.session.identity.user.empty()) return std::nullopt;
  Error error = complain(401, "Authentication required");
  if (rules.token.keys != nullptr && !rules.token.keys->empty()) error.challenge = "Bearer";
  return error;
}

Route call(const Request& request, const Settings& settings, const Caller& caller, const Resource& resource) {
  const bool writes = request.method == resource.write_method;
  if (writes) {
    if (auto error = check_origin(request, caller, settings.access)) return *error;
  }
  if (auto error = check_name(caller, settings.access)) return *error;
  Call out;
  out.endpoint = writes ? *resource.write : *resource.read;
  out.session = caller.session;
  out.has_body = writes;
  out.head_only = request.method == "HEAD";
  if (!writes) {
    out.user = resource.user == "me" ? out.session.identity.user : resource.user;
    if (!resource.user.empty() && !name_is_sane(out.user)) return complain(400, "No such user");
    out.query = request.query;
  } else if (auto error = read_body_form(request, "Send", out.form)) {
    return *error;
  }
  return out;
}

// What is to be done with a request, as far as path and method tell.
struct Target {
  std::optional<std::vector<std::string_view>> events;  // segments behind `events`
  std::optional<Resource> resource;
  std::string methods;  // but OPTIONS

  bool allows(std::string_view method) const {
    const bool reads = method == "GET" || method == "HEAD";
    if (events) return reads || method == "POST";
    return reads ? resource->read.has_value() : resource->write && method == resource->write_method;
  }
};

std::optional<Target> find_target(const Request& request, const Settings& settings) {
  const bool anywhere = settings.base.empty();
  const auto segments = behind_base(request.path, settings.base);
  if (!segments) return std::nullopt;
  if (auto events = event_segments(*segments, anywhere)) return Target{std::move(events), {}, kEventsMethods};
  auto resource = find_resource(*segments, anywhere);
  if (!resource) return std::nullopt;
  return Target{{}, resource, methods_of(*resource)};
}

// An attacker can send recorded early data again any number of times. A publication with a key is stored once all the
// same.
bool may_be_replayed(const Request& request, const Target& target) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  return request.early_data && !reads && (!target.events || request.idempotency_key.empty());
}

// A preflight brings no credentials: the request that follows it will (Fetch standard, "CORS-preflight fetch").
Options options(const Request& request, const Settings& settings, const std::string& methods) {
  if (request.preflight_method.empty()) return {methods, {}};
  return {methods, preflight_headers(settings.access.origins, request.origin, methods)};
}

}  // namespace

Route route(const Request& request, const Settings& settings, double now) {
  const auto target = find_target(request, settings);
  if (!target) return complain(404, "Not found");
  if (request.method == "OPTIONS") return options(request, settings, target->methods);
  if (!target->allows(request.method)) return method_not_allowed(target->methods);
  if (may_be_replayed(request, *target)) return too_early();
  const auto caller = identify(request, settings.access, now);
  if (const auto* error = std::get_if<Error>(&caller)) return *error;
  const auto& known = std::get<Caller>(caller);
  if (target->resource) return call(request, settings, known, *target->resource);
  return request.method == "POST" ? publication(request, settings, known, *target->events)
                                  : subscription(request, settings, known, *target->events);
}

}  // namespace pgevents
