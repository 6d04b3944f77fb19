// The parameters of a subscription; see subscription.hpp.
#include "core/request/subscription.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "core/request/path.hpp"
#include "core/text/header_value.hpp"
#include "core/text/name_pattern.hpp"
#include "core/text/url.hpp"

namespace pgevents {

namespace {

constexpr std::size_t kMaxFilterTypes = 64;

bool accepts_event_stream(std::string_view accept) {
  const auto ranges = split(accept, ',');
  return std::any_of(ranges.begin(), ranges.end(), [](std::string_view range) {
    return equals_ignoring_case(media_type(range), "text/event-stream");
  });
}

// Unknown parameters are ignored: caches, proxies and libraries add some.
class Query {
 public:
  // Libraries append their cursor to a URL that already has one, and later another one: the last counts.
  std::optional<Error> read(std::string_view text) {
    FormFields fields;
    if (auto wrong = parse_form(text, "query", fields)) {
      return make_error(400, std::move(*wrong));
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

  // A cursor under a name that libraries use wins over the one in the application's URL.
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
    return make_error(400, "Invalid Last-Event-ID");
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
    return make_error(400, naming("Unknown flavor", flavor));
  }
  if (out.head_only) {
    out.flavor = Flavor::kPoll;
  }
  return std::nullopt;
}

// Types are not compared with the pattern: applications may publish others through SQL.
std::optional<Error> read_filter(const Query& query, Subscription& out) {
  const std::string_view wanted = query.get("types");
  const std::string_view unwanted = query.get("not_types");
  if (wanted.empty() && unwanted.empty()) {
    return std::nullopt;
  }
  if (!wanted.empty() && !unwanted.empty()) {
    return make_error(400, "Give either types or not_types");
  }
  const auto types = split(wanted.empty() ? unwanted : wanted, ',');
  if (types.size() > kMaxFilterTypes) {
    return make_error(400, "Too many event types (at most " + std::to_string(kMaxFilterTypes) + ")");
  }
  if (!std::all_of(types.begin(), types.end(), name_is_sane)) {
    return make_error(400, "Invalid event type");
  }
  out.filter.exclude = wanted.empty();
  out.filter.types.assign(types.begin(), types.end());
  return std::nullopt;
}

std::optional<Error> read_envelope(const Query& query, Subscription& out) {
  const std::string_view value = query.get("envelope");
  if (!value.empty() && value != "0" && value != "1") {
    return make_error(400, "Invalid envelope (0 or 1)");
  }
  out.envelope = value == "1";
  out.no_envelope = value == "0";
  return std::nullopt;
}

// Seconds in digits, with or without a fraction: `25`, `0.5`, `5.`. The 19th and later digits of a fraction have no
// effect. std::from_chars() reads such a number only since the libstdc++ of gcc 11.
std::optional<double> read_seconds(std::string_view text) {
  constexpr double kFinest = 1e18;
  double number = 0;
  double parts = 0;  // of a second, in which number counts; 0 before the point
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && at > 0 && parts < 1) {
      parts = 1;
    } else if (c < '0' || c > '9') {
      return std::nullopt;
    } else if (parts < kFinest) {
      number = number * 10 + (c - '0');
      parts *= 10;
    }
  }
  return std::min(parts < 1 ? number : number / parts, std::numeric_limits<double>::max());
}

std::optional<Error> read_timeout(const Query& query, Subscription& out) {
  const std::string_view value = query.get("timeout");
  if (value.empty()) {
    return std::nullopt;
  }
  const std::optional<double> seconds = read_seconds(value);
  if (!seconds) {
    return make_error(400, "Invalid timeout");
  }
  out.timeout = *seconds;
  return std::nullopt;
}

}  // namespace

std::optional<Error> read_parameters(const Request& request, Subscription& out) {
  Query query;
  if (auto error = query.read(request.query)) {
    return error;
  }
  if (auto error = read_cursor(request, query, out)) {
    return error;
  }
  if (auto error = read_flavor(request, query, out)) {
    return error;
  }
  if (auto error = read_filter(query, out)) {
    return error;
  }
  if (auto error = read_envelope(query, out)) {
    return error;
  }
  return read_timeout(query, out);
}

}  // namespace pgevents
