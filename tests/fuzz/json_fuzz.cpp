// json_text.hpp: what is valid JSON, the members of objects and the characters of strings, compared with jansson.
#include "core/text/json_text.hpp"

#include <jansson.h>
#undef json_is_number  // the name of our function

#include <map>

#include "core/text/utf8.hpp"
#include "core/wire/event.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

struct Release {
  void operator()(json_t* tree) const { json_decref(tree); }
};
using Tree = std::unique_ptr<json_t, Release>;

Tree parse(std::string_view text, json_error_t& error) {
  return Tree(json_loadb(text.data(), text.size(), JSON_DECODE_ANY | JSON_ALLOW_NUL, &error));
}

// jansson converts numbers and characters, so it rejects valid texts that cannot be converted.
bool beyond_jansson(std::string_view text, const json_error_t& error) {
  const auto code = json_error_code(&error);
  return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
         text.find("\\u") != std::string_view::npos;
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  append_json_escaped(json, text);
  return json + '"';
}

void check_string(std::string_view text, const json_t* tree) {
  const auto characters = json_string(text);
  require(characters.has_value(), "a string that jansson reads has characters", text);
  require_equal(*characters, {json_string_value(tree), json_string_length(tree)}, "they are the same");
  require(json_string(quoted(*characters)) == characters, "escaping is undone by json_string", text);
}

// Of a name given twice the last value counts in jansson's tree.
void check_members(std::string_view text, json_t* tree) {
  std::map<std::string, std::string> members;
  require(json_members(text, [&](const auto& name, auto value) { members[name] = value; }), "an object has members",
          text);
  require(members.size() == json_object_size(tree), "all members are visited", text);
  const char* name = nullptr;
  json_t* wanted = nullptr;
  json_object_foreach(tree, name, wanted) {
    const auto member = members.find(name);
    require(member != members.end(), "a member has its name", text);
    require(json_valid(member->second), "the value of a member is valid", member->second);
    json_error_t error;
    require(json_equal(parse(member->second, error).get(), wanted) == 1, "a member has its value", text);
  }
}

void check_valid(std::string_view text) {
  json_error_t error;
  const Tree tree = parse(text, error);
  if (!tree) {
    require(!json_valid(text) || beyond_jansson(text, error), "text that jansson rejects is not valid", error.text);
    return;
  }
  require(json_valid(text), "text that jansson reads is valid", text);
  if (json_is_object(tree.get())) {
    check_members(text, tree.get());
  } else {
    require(!json_members(text, [](const auto&, auto) {}), "only objects have members", text);
  }
  const auto start = text.find_first_not_of(" \t\r\n");
  const auto value = text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
  if (json_is_string(tree.get())) {
    check_string(value, tree.get());
  }
  const json_type type = json_typeof(tree.get());
  require(json_is_number(value) == (type == JSON_INTEGER || type == JSON_REAL), "numbers are numbers", text);
}

}  // namespace

void fuzz(std::string_view input) {
  // For jansson a NUL byte ends the text.
  if (input.find('\0') == std::string_view::npos) {
    check_valid(input);
  } else {
    require(!json_valid(input), "a NUL byte is not valid", input);
  }
  require(!json_is_number(input) || json_valid(input), "a number is valid JSON", input);
  const auto characters = json_string(input);
  require(!characters || (json_valid(input) && utf8_valid(*characters)), "a string is valid JSON and holds UTF-8",
          input);
  require(json_valid(quoted(input)), "any bytes can be escaped", input);
  if (utf8_valid(input)) {
    require(json_string(quoted(input)) == input, "UTF-8 survives escaping", input);
  }
}

}  // namespace pgevents::fuzzing
