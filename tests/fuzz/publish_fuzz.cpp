// publish_body(): the bodies of publications, as JSON and as forms.
#include "core/request/request.hpp"
#include "core/text/json_text.hpp"
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr char kSpace[] = " \t\r\n";  // around a JSON value

const NamePattern& default_names() {
  static std::string error;
  static const auto names = NamePattern::compile(kDefaultNamePattern, error);
  return *names;
}

struct Members {
  int types = 0, datas = 0, ttls = 0, others = 0;
  std::string type, data, ttl;
};

Members members_of(std::string_view json) {
  Members members;
  const bool is_object = json_members(json, [&](const std::string& name, std::string_view value) {
    if (name == "type") {
      ++members.types, members.type = json_string(value).value_or("");
    }
    if (name == "data") {
      ++members.datas, members.data = value;
    }
    if (name == "ttl") {
      ++members.ttls, members.ttl = value;
    }
    if (name != "type" && name != "data" && name != "ttl") {
      ++members.others;
    }
  });
  require(is_object, "the database gets an object", json);
  return members;
}

void check_accepted(std::string_view json) {
  const Members members = members_of(json);
  require(members.types == 1 && members.datas <= 1 && members.ttls <= 1, "no member is given twice", json);
  require(members.others == 0, "no member is unknown", json);
  require(members.type != "error" && members.type != "open", "no event source has an event of that type", json);
  require(default_names().matches(members.type), "the type matches the pattern", members.type);
  require(members.type.compare(0, kReservedTypePrefix.size(), kReservedTypePrefix) != 0, "the type is not reserved",
          json);
  require(members.ttls == 0 || members.ttl == "null" || json_is_number(members.ttl), "the ttl is a number", json);
}

void check_form(std::string_view body, std::string_view json) {
  const Members members = members_of(json);
  FormFields fields;
  require(!parse_form(body, "form", fields), "an accepted form can be decoded", body);
  for (const auto& [name, value] : fields) {
    require(name == "type" || name == "data" || name == "ttl", "no field is unknown", name);
    if (name == "type") {
      require_equal(members.type, value, "the type is that of the form");
    }
    if (name == "ttl") {
      require_equal(members.ttl, value, "the ttl is that of the form");
    }
    if (name != "data" || value.empty()) {
      continue;
    }
    const std::size_t start = value.find_first_not_of(kSpace);
    const std::size_t end = value.find_last_not_of(kSpace) + 1;
    require_equal(members.data, std::string_view(value).substr(start, end - start), "the data is that of the form");
  }
}

void check(std::string_view body, bool form) {
  Publication publication;
  publication.form = form;
  std::string json;
  if (const auto error = publish_body(publication, body, default_names(), json)) {
    require(error->status == 400, "a bad body is the client's fault");
    require(json_valid(error_reply(*error).body), "an error is valid JSON", error_reply(*error).body);
    return;
  }
  check_accepted(json);
  if (form) {
    check_form(body, json);
  } else {
    require_equal(json, body, "JSON goes on as it is");
  }
}

}  // namespace

void fuzz(std::string_view input) {
  check(input, true);
  check(input, false);
}

}  // namespace pgevents::fuzzing
