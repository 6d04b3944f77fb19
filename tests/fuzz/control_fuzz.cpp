// parse_control(): events on pgevents' own channel. The input: the type, a line end, the data.
#include "core/wire/control.hpp"

#include <jansson.h>
#undef json_is_number  // the name of our function

#include <map>

#include "core/text/json_text.hpp"
#include "core/text/name_pattern.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

std::string_view text_of(const json_t* value) {
  return {json_string_value(value), json_string_length(value)};
}

}  // namespace

void fuzz(std::string_view input) {
  const Part type(take(input, '\n'));
  const Part data(input);
  const auto control = parse_control(type.view(), data.view());
  if (!control) {
    return;
  }
  const bool revoked = control->kind == Control::Kind::kRevoked;
  require_equal(type.view(), revoked ? "pgevents.revoked" : "pgevents.disconnect", "the kind is that of the type");
  require(name_is_sane(control->user), "the caller has a user", data.view());

  std::map<std::string, int> given;
  json_members(data.view(), [&given](const std::string& name, std::string_view) { ++given[name]; });
  require(given["user"] == 1 && given["before_us"] <= 1, "no member is given twice", data.view());

  json_error_t error;
  json_t* const tree = json_loadb(input.data(), input.size(), 0, &error);
  if (tree == nullptr) {  // jansson also rejects numbers of other members that it cannot convert
    require(json_valid(data.view()), "the data is JSON", data.view());
    return;
  }
  require(json_is_string(json_object_get(tree, "user")), "the user is a string", data.view());
  require_equal(control->user, text_of(json_object_get(tree, "user")), "the user is that of the data");
  const json_t* const before = json_object_get(tree, "before_us");
  require(!revoked || (json_is_integer(before) && json_integer_value(before) == control->before_us),
          "the time is that of the data", data.view());
  json_decref(tree);
}

}  // namespace pgevents::fuzzing
