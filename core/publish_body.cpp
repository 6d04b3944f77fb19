// Publish bodies: checks what needs no database and leaves the text of the data untouched.
#include <optional>
#include <string>

#include "event.hpp"
#include "json_text.hpp"
#include "request.hpp"
#include "url.hpp"

namespace pgevents {

namespace {

Error bad_request(std::string msg) {
  Error error;
  error.msg = std::move(msg);
  return error;
}

// The members of a publication that have a meaning: raw JSON texts, nothing when absent.
struct Members {
  std::optional<std::string_view> type, data, ttl;
  std::string twice;  // name of a member given a second time

  std::optional<std::string_view>* find(std::string_view name) {
    if (name == "type") return &type;
    if (name == "data") return &data;
    if (name == "ttl") return &ttl;
    return nullptr;
  }
};

std::optional<Error> check_type(const std::optional<std::string>& type, const NamePattern& names) {
  if (!type || !names.matches(*type)) return bad_request("Invalid event type");
  if (type->compare(0, kReservedTypePrefix.size(), kReservedTypePrefix) == 0) {
    return bad_request("Event types that start with 'pgevents.' are reserved");
  }
  return std::nullopt;
}

std::optional<Error> check_json(std::string_view json, const NamePattern& names) {
  Members members;
  const bool is_object = json_members(json, [&members](const std::string& name, std::string_view value) {
    auto* member = members.find(name);
    if (member == nullptr) return;
    // JSON leaves open which of two members counts; what was checked must be what is stored.
    if (*member) members.twice = name;
    *member = value;
  });
  if (!is_object) {
    return bad_request(json_valid(json) ? "The body must be a JSON object" : "The body is not valid JSON");
  }
  if (!members.twice.empty()) return bad_request("Member '" + members.twice + "' is given twice");
  if (members.ttl && *members.ttl != "null" && !json_is_number(*members.ttl)) return bad_request("Invalid ttl");
  return check_type(members.type ? json_string(*members.type) : std::nullopt, names);
}

// Builds the JSON text of a form. `data` and `ttl` are spliced in as they are: each must be one JSON value by itself.
std::optional<Error> form_to_json(std::string_view body, std::string& json) {
  const auto fields = parse_form(body);
  if (!fields) return bad_request("Invalid encoding in the form");
  Members members;
  for (const auto& [name, value] : *fields) {
    auto* member = members.find(name);
    if (member == nullptr) continue;
    if (*member) return bad_request("Field '" + name + "' is given twice");
    *member = value;
  }
  if (!members.type) return bad_request("Invalid event type");
  const std::string_view data = members.data.value_or("");
  const std::string_view ttl = members.ttl.value_or("");
  if (!data.empty() && !json_valid(data)) return bad_request("Field 'data' is not valid JSON");
  if (!ttl.empty() && !json_is_number(ttl)) return bad_request("Invalid ttl");
  json = "{\"type\":\"";
  append_json_escaped(json, *members.type);
  json += '"';
  if (!data.empty()) json.append(",\"data\":").append(data);
  if (!ttl.empty()) json.append(",\"ttl\":").append(ttl);
  json += '}';
  return std::nullopt;
}

}  // namespace

std::optional<Error> publish_body(const Publication& publication, std::string_view body, const NamePattern& names,
                                  std::string& json) {
  if (publication.form) {
    if (auto error = form_to_json(body, json)) return error;
  } else {
    json.assign(body);
  }
  return check_json(json, names);
}

}  // namespace pgevents
