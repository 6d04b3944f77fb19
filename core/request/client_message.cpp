// See client_message.hpp. Values that HTTP would have as text in a body stay as the client has written them.
#include "core/request/client_message.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/text/json_text.hpp"
#include "core/text/json_tree.hpp"
#include "core/text/url.hpp"

namespace pgevents {

namespace {

using Kind = ClientMessage::Kind;

constexpr std::size_t kLongestNumber = 16;

// Of a member's text, as it is written. Only `data` and the body of a call may be longer: their own limits count.
constexpr std::size_t kMaxTargetBytes = 8 * 1024;  // of a call: what web servers take of a path with its query
constexpr std::size_t kMaxTextBytes = 64 * 1024;
constexpr std::size_t kMaxTextBytesOfName = 1024;

// The members of a message, as raw JSON texts. The first five name the kind, in the order of ClientMessage::Kind.
enum Member : std::size_t {
  kSubscribe,
  kUnsubscribe,
  kPublish,
  kCall,
  kToken,
  kRequest,
  kLastEventId,
  kType,
  kData,
  kTtl,
  kIdempotencyKey,
  kMemberCount
};
constexpr std::array<std::string_view, kMemberCount> kNames = {"subscribe", "unsubscribe", "publish",        "call",
                                                               "token",     "request",     "last_event_id",  "type",
                                                               "data",      "ttl",         "idempotency_key"};
constexpr std::size_t kKinds = kRequest;

using Members = std::array<std::optional<std::string_view>, kMemberCount>;

std::optional<Error> bad(std::string msg) {
  return make_error(400, std::move(msg));
}

std::optional<Error> too_long(std::string_view member, std::size_t most) {
  return bad(naming("Member", member) + " is longer than " + std::to_string(most) + " bytes");
}

// Returns the first error about names. All members are read before, so that the error has the message's number.
std::optional<Error> read_members(std::string_view text, Members& members) {
  std::optional<Error> error;
  const bool is_object = json_members(text, [&](const std::string& name, std::string_view value) {
    const auto at = static_cast<std::size_t>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
    if (at == kMemberCount) {
      error = error ? error : bad(naming("Member", name) + " is unknown");
    } else if (members[at]) {
      error = error ? error : given_twice("Member", name);
    } else {
      members[at] = value;
    }
  });
  return is_object ? error : bad("A message is a JSON object");
}

bool is_number(std::string_view text) noexcept {
  const std::string_view digits = text.substr(text.substr(0, 1) == "-" ? 1 : 0);
  return !digits.empty() && digits.size() <= kLongestNumber &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

// Members of another kind of message are errors, so that a misplaced one is not lost in silence.
std::optional<Error> check_members(const Members& members, Kind kind) {
  const bool subscribes = kind == Kind::kSubscribe;
  const bool publishes = kind == Kind::kPublish;
  for (std::size_t at = kLastEventId; at < kMemberCount; ++at) {
    if (members[at] && !(at == kLastEventId ? subscribes : publishes)) {
      return bad(naming("Member", kNames[at]) + " has no meaning here");
    }
  }
  return std::nullopt;
}

std::optional<Error> read_string(const Members& members, Member member, std::string& out) {
  if (members[member]->size() > kMaxTextBytes) {
    return too_long(kNames[member], kMaxTextBytes);
  }
  auto text = json_string(*members[member]);
  if (!text) {
    return bad(naming("Member", kNames[member]) + " is not a string");
  }
  out = std::move(*text);
  return std::nullopt;
}

// Whether an array, valid JSON, has more elements than `most`. Looks no further than it must.
bool has_more_than(std::size_t most, std::string_view array) noexcept {
  bool in_string = false;
  std::size_t commas = 0;
  for (std::size_t at = 0; at < array.size() && commas < most; ++at) {
    const char c = array[at];
    in_string = in_string != (c == '"');
    commas += !in_string && c == ',' ? 1 : 0;
    at += in_string && c == '\\' ? 1 : 0;
  }
  return commas >= most;
}

// The number of names is checked before any is read: a message may be large, and its sender anyone.
std::optional<Error> read_names(const Members& members, Member which, std::size_t most,
                                std::vector<std::string>& names) {
  const std::string_view array = *members[which];
  const std::string_view member = kNames[which];
  if (has_more_than(most, array)) {
    return bad("Too many channels (at most " + std::to_string(most) + ")");
  }
  const std::size_t most_bytes = std::max(kMaxTextBytes, most * kMaxTextBytesOfName);
  if (array.size() > most_bytes) {
    return too_long(member, most_bytes);
  }
  const Json object = parse_object("{\"names\":" + std::string(array) + '}');
  const json_t* const list = json_object_get(object.get(), "names");
  if (!json_is_array(list) || json_array_size(list) == 0) {
    return bad(naming("Member", member) + " is not a list of channels");
  }
  for (std::size_t at = 0; at < json_array_size(list); ++at) {
    const auto name = string_of(json_array_get(list, at));
    if (!name) {
      return bad(naming("Member", member) + " is not a list of channels");
    }
    names.emplace_back(*name);
  }
  return std::nullopt;
}

// As encodeURIComponent() does, so that an encoded separator belongs to its name.
void append_encoded(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || std::string_view("-_.~").find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      const char escape[] = {'%', kHex[byte >> 4], kHex[byte & 15]};
      out.append(escape, sizeof escape);
    }
  }
}

void set_events_path(const std::vector<std::string>& channels, ClientMessage& out) {
  for (const std::string& channel : channels) {
    out.path += out.path.empty() ? "/events/" : ",";
    out.path += channel;
    out.target += out.target.empty() ? "/events/" : ",";
    append_encoded(out.target, channel);
  }
}

// A cursor may be a number too.
std::optional<Error> read_subscribe(const Members& members, std::size_t most_names, ClientMessage& out) {
  if (auto error = read_names(members, kSubscribe, most_names, out.channels)) {
    return error;
  }
  out.method = "GET";
  set_events_path(out.channels, out);
  const auto cursor = members[kLastEventId];
  if (!cursor || *cursor == "null") {
    return std::nullopt;
  }
  if (cursor->size() <= kMaxTextBytes && cursor->find_first_not_of("0123456789") == std::string_view::npos) {
    out.last_event_id = *cursor;
    return std::nullopt;
  }
  return read_string(members, kLastEventId, out.last_event_id);
}

// The body of the publication is made of the members as they were written.
std::optional<Error> read_publish(const Members& members, ClientMessage& out) {
  std::string channel;
  if (auto error = read_string(members, kPublish, channel)) {
    return error;
  }
  if (members[kIdempotencyKey]) {
    if (auto error = read_string(members, kIdempotencyKey, out.idempotency_key)) {
      return error;
    }
  }
  out.method = "POST";
  set_events_path({channel}, out);
  for (const Member member : {kType, kData, kTtl}) {
    if (members[member]) {
      out.body.append(out.body.empty() ? "{\"" : ",\"").append(kNames[member]).append("\":").append(*members[member]);
    }
  }
  out.body += out.body.empty() ? "{}" : "}";
  return std::nullopt;
}

std::optional<Error> set_call_path(std::string_view target, ClientMessage& out) {
  const std::size_t end = std::min(target.find('?'), target.size());
  out.target = target.substr(0, end);
  out.query = target.substr(std::min(end + 1, target.size()));
  auto path = percent_decode(out.target);
  if (!path) {
    return bad("The path of the call cannot be decoded");
  }
  out.path = std::move(*path);
  return std::nullopt;
}

// A member of a call: the strings `method` and `path`, and `body`, as they are written.
std::string_view* call_member(std::string_view name, std::array<std::string_view, 3>& values) noexcept {
  return name == "method" ? &values[0] : name == "path" ? &values[1] : name == "body" ? &values[2] : nullptr;
}

std::optional<Error> read_call(const Members& members, ClientMessage& out) {
  std::optional<Error> error;
  std::array<std::string_view, 3> values;
  const bool is_object = json_members(*members[kCall], [&](const std::string& name, std::string_view value) {
    std::string_view* const member = call_member(name, values);
    if (member == nullptr) {
      error = error ? error : bad(naming("Member", name) + " is unknown: a call has method, path and body");
    } else if (!member->empty()) {
      error = error ? error : given_twice("Member", name);
    } else if (name != "body" && value.size() > kMaxTargetBytes) {
      error = error ? error : too_long(name, kMaxTargetBytes);
    } else {
      *member = value;
    }
  });
  if (error) {
    return error;
  }
  out.method = json_string(values[0]).value_or("");
  const std::string target = json_string(values[1]).value_or("");
  out.body = values[2];
  if (!is_object || out.method.empty() || target.empty()) {
    return bad("A call has the strings method and path");
  }
  return set_call_path(target, out);
}

std::optional<Error> read_kind(const Members& members, std::size_t most_names, ClientMessage& out) {
  switch (out.kind) {
    case Kind::kSubscribe:
      return read_subscribe(members, most_names, out);
    case Kind::kUnsubscribe:
      return read_names(members, kUnsubscribe, most_names, out.channels);
    case Kind::kPublish:
      return read_publish(members, out);
    case Kind::kCall:
      return read_call(members, out);
    case Kind::kToken:
      break;
  }
  return read_string(members, kToken, out.token);
}

// The error if it is not exactly one.
std::optional<Error> find_kind(const Members& members, Kind& kind) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < kKinds; ++at) {
    if (members[at]) {
      kind = static_cast<Kind>(at);
      ++count;
    }
  }
  return count == 1 ? std::nullopt : bad("A message has one of subscribe, unsubscribe, publish, call and token");
}

}  // namespace

std::variant<BadMessage, ClientMessage> read_message(std::string_view text, std::size_t most_names) {
  Members members;
  auto error = read_members(text, members);
  if (!members[kRequest] || !is_number(*members[kRequest])) {
    return BadMessage{"null", error ? *error : *bad("Member 'request' is not an integer")};
  }
  ClientMessage out;
  out.number = *members[kRequest];
  error = error ? error : find_kind(members, out.kind);
  error = error ? error : check_members(members, out.kind);
  error = error ? error : read_kind(members, most_names, out);
  if (error) {
    return BadMessage{out.number, *error};
  }
  return out;
}

Request request_of(const ClientMessage& message) noexcept {
  Request request;
  request.method = message.method;
  request.path = message.path;
  request.target = message.target;
  request.query = message.query;
  request.last_event_id = message.last_event_id;
  request.idempotency_key = message.idempotency_key;
  return request;
}

}  // namespace pgevents
