// Reads publish bodies: checks all that needs no database, and leaves the text of the data untouched.
#include "core/request/publication.hpp"

#include <utility>

#include "core/request/type_filter.hpp"
#include "core/text/json_text.hpp"
#include "core/text/url.hpp"
#include "core/wire/event.hpp"

namespace pgevents {

namespace {

Error bad_request(std::string msg) {
  return make_error(400, std::move(msg));
}

// The members of a publication: raw JSON texts, nothing if absent.
struct Members {
  std::optional<std::string_view> type, data, ttl;
  std::optional<Error> error;  // about the first member that is unknown or given twice

  std::optional<std::string_view>* find(std::string_view name) {
    if (name == "type") {
      return &type;
    }
    if (name == "data") {
      return &data;
    }
    if (name == "ttl") {
      return &ttl;
    }
    return nullptr;
  }

  // Rejects unknown members, so that a misspelt one is not lost in silence, and members given twice: JSON leaves open
  // which one counts, and the stored one must be the checked one. `what`: "Member" or "Field".
  void take(const char* what, std::string_view name, std::string_view value) {
    if (error) {
      return;
    }
    auto* const member = find(name);
    if (member == nullptr) {
      error = bad_request(naming(what, name) + " is unknown: a publication has type, data and ttl");
    } else if (*member) {
      error = given_twice(what, name);
    } else {
      *member = value;
    }
  }
};

std::optional<Error> check_type(const std::optional<std::string>& type, const NamePattern& names) {
  if (!type || !names.matches(*type)) {
    return bad_request("Invalid event type");
  }
  if (*type == "error" || *type == "open") {
    return bad_request(naming("Event type", *type) + " is reserved: an EventSource would take it for its own event");
  }
  if (type->compare(0, kReservedTypePrefix.size(), kReservedTypePrefix) == 0) {
    return bad_request("Event types that start with 'pgevents.' are reserved");
  }
  return std::nullopt;
}

std::optional<Error> check_json(std::string_view json, const NamePattern& names) {
  Members members;
  const bool is_object = json_members(
      json, [&members](const std::string& name, std::string_view value) { members.take("Member", name, value); });
  if (!is_object) {
    return bad_request(json_valid(json) ? "The body must be a JSON object" : "The body is not valid JSON");
  }
  if (members.error) {
    return members.error;
  }
  if (members.ttl && *members.ttl != "null" && !json_is_number(*members.ttl)) {
    return bad_request("Invalid ttl");
  }
  return check_type(members.type ? json_string(*members.type) : std::nullopt, names);
}

// Builds the JSON text of a form. `data` and `ttl` are inserted as written: each must be one JSON value.
std::optional<Error> form_to_json(std::string_view body, std::string& json) {
  FormFields fields;
  if (auto wrong = parse_form(body, "form", fields)) {
    return bad_request(std::move(*wrong));
  }
  Members members;
  for (const auto& [name, value] : fields) {
    members.take("Field", name, value);
  }
  if (members.error) {
    return members.error;
  }
  if (!members.type) {
    return bad_request("Invalid event type");
  }
  const std::string_view data = members.data.value_or("");
  const std::string_view ttl = members.ttl.value_or("");
  if (!data.empty() && !json_valid(data)) {
    return bad_request("Field 'data' is not valid JSON");
  }
  if (!ttl.empty() && !json_is_number(ttl)) {
    return bad_request("Invalid ttl");
  }
  json = "{\"type\":\"";
  append_json_escaped(json, *members.type);
  json += '"';
  if (!data.empty()) {
    json.append(",\"data\":").append(data);
  }
  if (!ttl.empty()) {
    json.append(",\"ttl\":").append(ttl);
  }
  json += '}';
  return std::nullopt;
}

}  // namespace

std::optional<Error> publish_body(const Publication& publication, std::string_view body, const NamePattern& names,
                                  std::string& json) {
  if (publication.form) {
    if (auto error = form_to_json(body, json)) {
      return error;
    }
  } else {
    json.assign(body);
  }
  return check_json(json, names);
}

}  // namespace pgevents
