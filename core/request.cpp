// Routing: path → channels and wait id, then access, then the parameters. Every complaint about a request is made
// here, so that both front-ends make the same ones.
#include "request.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "url.hpp"
#include "utf8.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kEventsSegment = "events";
constexpr std::size_t kMaxWaitIdBytes = 128;
constexpr std::size_t kMaxFilterTypes = 64;
constexpr std::size_t kMaxKeyBytes = 255;

Error complain(int status, std::string msg) {
  Error error;
  error.status = status;
  error.msg = std::move(msg);
  return error;
}

// `what 'value'`, or only `what` when the value is too long or not printable enough to be repeated.
std::string naming(std::string_view what, std::string_view value) {
  std::string msg(what);
  if (value.size() <= kMaxNameBytes && utf8_valid(value)) msg.append(" '").append(value).append("'");
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

// What is left of `path` behind the base, beginning with the segment `events`. Nothing when the path is not ours.
std::optional<std::string_view> behind_base(std::string_view path, std::string_view base) {
  while (!base.empty() && base.back() == '/') base.remove_suffix(1);
  if (!base.empty() && base.front() == '/') base.remove_prefix(1);
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  if (base.empty()) return path;
  if (path.substr(0, base.size()) != base || path.size() <= base.size() || path[base.size()] != '/')
    return std::nullopt;
  return path.substr(base.size() + 1);
}

// The segments behind `events`: channel list, and perhaps a wait id.
std::optional<std::vector<std::string_view>> event_segments(std::string_view path, std::string_view base) {
  const auto rest = behind_base(path, base);
  if (!rest) return std::nullopt;
  auto segments = split(*rest, '/');
  auto events = segments.begin();
  if (base.empty()) events = std::find(segments.begin(), segments.end(), kEventsSegment);
  if (events == segments.end() || *events != kEventsSegment) return std::nullopt;
  segments.erase(segments.begin(), events + 1);
  if (segments.size() > 2) return std::nullopt;
  return segments;
}

// Checks the channel list in the order of the request (so that errors name the first bad one) and sorts it then.
std::optional<Error> read_channels(std::string_view list, const Settings& settings, std::string_view grants,
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
    if (!granted(grants, name)) return complain(403, naming("Not authorized for channel", name));
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

Route subscription(const Request& request, const Settings& settings, const std::vector<std::string_view>& segments) {
  Subscription out;
  out.head_only = request.method == "HEAD";
  const std::string_view list = segments.empty() ? std::string_view() : segments[0];
  if (auto error = read_channels(list, settings, settings.subscribe, out.channels)) return *error;
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

Route publication(const Request& request, const Settings& settings, const std::vector<std::string_view>& segments) {
  if (segments.size() > 1) return complain(400, "A wait id makes no sense when publishing");
  std::vector<std::string> channels;
  const std::string_view list = segments.empty() ? std::string_view() : segments[0];
  if (auto error = read_channels(list, settings, settings.publish, channels)) return *error;
  if (channels.size() != 1) return complain(400, "Publish to exactly one channel");
  const std::string_view type = media_type(request.content_type);
  Publication out;
  out.form = equals_ignoring_case(type, "application/x-www-form-urlencoded");
  if (!out.form && !type.empty() && !equals_ignoring_case(type, "application/json")) {
    return complain(415, "Publish application/json or application/x-www-form-urlencoded");
  }
  const std::string_view key = request.idempotency_key;
  if (!key.empty() && (key.size() > kMaxKeyBytes || has_control(key) || !utf8_valid(key))) {
    return complain(400, "Invalid Idempotency-Key");
  }
  out.channel = std::move(channels.front());
  out.idempotency_key = key;
  return out;
}

}  // namespace

Route route(const Request& request, const Settings& settings) {
  const auto segments = event_segments(request.path, settings.base);
  if (!segments) return complain(404, "Not found");
  if (request.method == "GET" || request.method == "HEAD") return subscription(request, settings, *segments);
  if (request.method == "POST") return publication(request, settings, *segments);
  if (request.method == "OPTIONS") return Options{};
  return complain(405, "Method not allowed");
}

bool granted(std::string_view patterns, std::string_view name) noexcept {
  constexpr char kSpace[] = " \t\r\n";
  while (true) {
    const std::size_t start = patterns.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return false;
    patterns.remove_prefix(start);
    std::string_view pattern = patterns.substr(0, patterns.find_first_of(kSpace));
    patterns.remove_prefix(pattern.size());
    if (pattern.back() == '*') {
      pattern.remove_suffix(1);
      if (name.substr(0, pattern.size()) == pattern) return true;
    } else if (pattern == name) {
      return true;
    }
  }
}

}  // namespace pgevents
