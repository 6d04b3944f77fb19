// Presence, typing and settings over HTTP; see call.hpp.
#include "core/request/call.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/text/json_text.hpp"
#include "core/text/json_tree.hpp"
#include "core/text/url.hpp"
#include "core/wire/event.hpp"

namespace pgevents {

namespace {

constexpr std::string_view kUserParameter = "user_id";

// `*` stands for the user of a path.
struct Path {
  std::vector<std::string_view> segments;
  Resource resource;
};

// The parameters that each function passes to pgevents.success() as known (a test compares them). The functions only
// name the others in their answer, so their values are not sent.
bool is_known(Endpoint endpoint, std::string_view name) {
  static const std::map<Endpoint, std::set<std::string_view>> all = {
      {Endpoint::kRegister, {"fetch_event_types"}},
      {Endpoint::kReportPresence,
       {"status", "ping_only", "new_user_input", "slim_presence", "last_update_id", "history_limit_days"}},
      {Endpoint::kUserPresence, {"user_id", "slim_presence"}},
      {Endpoint::kRealmPresence, {}},
      {Endpoint::kTyping, {"op", "type", "to", "stream_id", "topic"}},
      {Endpoint::kSettings,
       {"presence_enabled", "send_private_typing_notifications", "send_stream_typing_notifications",
        "receives_typing_notifications"}},
  };
  return all.at(endpoint).count(name) > 0;
}

const std::vector<Path>& paths() {
  static const std::vector<Path> all = {
      {{"register"}, {std::nullopt, Endpoint::kRegister, "POST", {}}},
      {{"users", "me", "presence"}, {Endpoint::kUserPresence, Endpoint::kReportPresence, "POST", {}}},
      {{"users", "*", "presence"}, {Endpoint::kUserPresence, std::nullopt, {}, {}}},
      {{"realm", "presence"}, {Endpoint::kRealmPresence, std::nullopt, {}, {}}},
      {{"typing"}, {std::nullopt, Endpoint::kTyping, "POST", {}}},
      {{"settings"}, {std::nullopt, Endpoint::kSettings, "PATCH", {}}},
  };
  return all;
}

Error bad_request(std::string msg) {
  return make_error(400, std::move(msg));
}

void append_member(std::string& json, std::string_view name, std::string_view text) {
  json += json.empty() ? "{\"" : ",\"";
  append_json_escaped(json, name);
  json += "\":\"";
  append_json_escaped(json, text);
  json += '"';
}

// A parameter that is given twice is an error: an intermediary and the function could each use another one of the two.
std::optional<Error> form_params(const Call& call, std::string_view text, std::string& params) {
  const char* const kind = call.has_body ? "form" : "query";
  FormFields fields;
  if (auto wrong = parse_form(text, kind, fields)) {
    return bad_request(std::move(*wrong));
  }
  std::vector<std::string_view> names;
  if (!call.user.empty()) {
    names.push_back(kUserParameter);
    append_member(params, kUserParameter, call.user);
  }
  for (const auto& [name, value] : fields) {
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
      return bad_request(std::string("A NUL character in the ") + kind);
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return given_twice("Parameter", name);
    }
    names.push_back(name);
    if (call.has_body || name != "access_token") {
      append_member(params, name, value);
    }
  }
  return std::nullopt;
}

// jsonb accepts everything that jansson accepts: jansson rejects NUL characters, halves of surrogate pairs and numbers
// beyond 64 bits or a double.
std::optional<Error> json_params(std::string_view body, std::string& params) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  std::optional<std::string> twice;
  bool too_many = false;
  const bool is_object = json_members(body, [&](const std::string& name, std::string_view) {
    if (twice || too_many) {
      return;
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      twice = name;
    } else if (names.size() == kMaxParameters) {
      too_many = true;
    } else {
      names.push_back(name);
    }
  });
  if (!is_object) {
    return bad_request(json_valid(body) ? "The body must be a JSON object" : "The body is not valid JSON");
  }
  if (twice) {
    return given_twice("Parameter", *twice);
  }
  if (too_many) {
    return bad_request(too_many_parameters("body"));
  }
  const Json object = parse_object(body);
  if (object == nullptr) {
    return bad_request("The body holds a value that cannot be stored");
  }
  params = json_dump(object.get());
  return std::nullopt;
}

}  // namespace

std::optional<Resource> find_resource(const std::vector<PathSegment>& segments, bool anywhere) {
  for (const Path& path : paths()) {
    const std::size_t length = path.segments.size();
    if (segments.size() < length || (segments.size() > length && !anywhere)) {
      continue;
    }
    const auto start = segments.end() - static_cast<std::ptrdiff_t>(length);
    const auto fits = [](const PathSegment& given, std::string_view wanted) {
      return wanted == "*" ? !given.text.empty() : given.text == wanted;
    };
    if (!std::equal(start, segments.end(), path.segments.begin(), fits)) {
      continue;
    }
    Resource resource = path.resource;
    if (resource.read == Endpoint::kUserPresence) {
      resource.user = (start + 1)->text;
    }
    return resource;
  }
  return std::nullopt;
}

std::string methods_of(const Resource& resource) {
  std::string methods = resource.read ? "GET, HEAD" : "";
  if (resource.write) {
    methods.append(methods.empty() ? "" : ", ").append(resource.write_method);
  }
  return methods;
}

bool call_is_repeatable(Endpoint endpoint) {
  return endpoint != Endpoint::kTyping;
}

std::optional<Error> call_params(const Call& call, std::string_view body, std::string& params) {
  params.clear();
  if (!call.has_body || call.form) {
    if (auto error = form_params(call, call.has_body ? body : std::string_view(call.query), params)) {
      return error;
    }
    params += params.empty() ? "{}" : "}";
    return std::nullopt;
  }
  if (auto error = json_params(body, params)) {
    return error;
  }
  if (params.empty()) {
    params = "{}";
  }
  return std::nullopt;
}

std::string without_unknown_values(Endpoint endpoint, std::string_view params) {
  std::string kept;
  json_members(params, [&](const std::string& name, std::string_view value) {
    kept += kept.empty() ? "{\"" : ",\"";
    append_json_escaped(kept, name);
    kept.append("\":").append(is_known(endpoint, name) ? value : "null");
  });
  return kept.empty() ? "{}" : kept + '}';
}

std::string call_identity(const Identity& identity, bool share_state) {
  std::string json = identity_json(identity);
  if (share_state) {
    json.replace(json.size() - 1, 1, ",\"share_state\":true}");
  }
  return json;
}

// A search of the text is enough to exclude the member, but not to find it: a user may have that name.
std::optional<AnswerInParts> answer_in_parts(std::string_view answer) {
  constexpr std::string_view kMember = "presence_state";
  constexpr std::string_view kName = "\"presence_state\":";
  if (answer.find(kName) == std::string_view::npos) {
    return std::nullopt;
  }
  std::optional<AnswerInParts> parts;
  json_members(answer, [&](const std::string& name, std::string_view value) {
    if (name != kMember) {
      return;
    }
    const auto at = static_cast<std::size_t>(value.data() - answer.data());
    if (at < kName.size() || answer.substr(at - kName.size(), kName.size()) != kName) {
      return;
    }
    parts = AnswerInParts{answer.substr(0, at - kName.size()), value, answer.substr(at + value.size())};
  });
  return parts;
}

Reply call_reply(std::string_view result) {
  Reply reply;
  reply.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  reply.body = result;
  return reply;
}

}  // namespace pgevents
