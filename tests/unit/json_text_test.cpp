// The JSON checker: accepts exactly RFC 8259, finds members without touching them, never recurses.
#include "core/text/json_text.hpp"

#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string nested(std::size_t depth, char open, std::string_view inside, char close) {
  return std::string(depth, open) + std::string(inside) + std::string(depth, close);
}

std::vector<std::pair<std::string, std::string>> members_of(std::string_view text, bool& good) {
  std::vector<std::pair<std::string, std::string>> members;
  good = json_members(
      text, [&members](const std::string& name, std::string_view value) { members.emplace_back(name, value); });
  return members;
}

START_TEST(every_kind_of_value_is_accepted) {
  for (const char* text : {"null",
                           "true",
                           "false",
                           "0",
                           "-0",
                           "12",
                           "-1.5",
                           "1e5",
                           "1E+5",
                           "0.1e-10",
                           "1.0",
                           "\"\"",
                           "\"a\"",
                           "[]",
                           "{}",
                           "[1]",
                           "[1,2,[3]]",
                           R"({"a":1})",
                           R"({"a":{"b":[{}]},"a":2})",
                           " \t\r\n1 \t\r\n",
                           "[ ]",
                           "{ }",
                           "[ 1 , 2 ]",
                           R"( { "a" : 1 , "b" : [ ] } )",
                           R"("\"\\\/\b\f\n\r\t\u0000\uD800\uabCD")",
                           "\"é€𝄞\"",
                           "\"\x7f\"",
                           "\"\u2028\"",
                           "123456789012345678901234567890.123456789e999999"}) {
    assert_that(json_valid(text), text);
  }
}
END_TEST

START_TEST(everything_else_is_rejected) {
  for (const char* text : {"",           " ",
                           "nul",        "nulll",
                           "True",       "NaN",
                           "Infinity",   "undefined",
                           "'a'",        "a",
                           "01",         "-",
                           "+1",         ".5",
                           "1.",         "1e",
                           "1e+",        "1.e5",
                           "--1",        "0x10",
                           "1_000",      "\"",
                           "\"a",        "a\"",
                           "\"\\\"",     "\"\\x\"",
                           "\"\\u12\"",  "\"\\u12g4\"",
                           "\"\\",       "\"\\u",
                           "\"a\nb\"",   "\"\t\"",
                           "\"\x01\"",   "\"\x1f\"",
                           "[",          "]",
                           "[1",         "[1,",
                           "[1,]",       "[,1]",
                           "[1 2]",      "[1}",
                           "{",          "}",
                           "{]",         R"({"a")",
                           R"({"a":)",   R"({"a":1)",
                           R"({"a":1,)", R"({"a":1,})",
                           R"({"a" 1})", R"({a:1})",
                           R"({1:1})",   R"({"a":1 "b":2})",
                           R"({,})",     R"({"a":1]})",
                           "1 2",        "[] []",
                           "{}x",        "// c\n1",
                           "1 /* c */",  "\xEF\xBB\xBF[]",
                           "[1]]",       "\v1",
                           "\f1"}) {
    assert_that(!json_valid(text), text);
  }
  assert_that(!json_valid(std::string_view("1\0", 2)), "a NUL behind the value");
  assert_that(!json_valid(std::string_view("\"a\0b\"", 5)), "a NUL in a string");
}
END_TEST

START_TEST(invalid_utf8_is_rejected) {
  for (const char* text : {"\"\xff\"", "\"\xc3\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                           "{\"\x80\":1}", "\"long enough for words \xe2\x82\""}) {
    assert_that(!json_valid(text), text);
  }
}
END_TEST

START_TEST(nesting_has_a_limit_and_no_recursion) {
  ck_assert(json_valid(nested(kMaxJsonDepth, '[', "", ']')));
  ck_assert(json_valid(nested(kMaxJsonDepth, '[', "1", ']')));
  ck_assert(!json_valid(nested(kMaxJsonDepth + 1, '[', "1", ']')));
  ck_assert(!json_valid(nested(kMaxJsonDepth + 1, '[', "", ']')));
  ck_assert(!json_valid(std::string(1000000, '[')));
  std::string objects;
  for (std::size_t i = 0; i < kMaxJsonDepth; ++i) {
    objects += "{\"a\":";
  }
  ck_assert(json_valid(objects + "1" + std::string(kMaxJsonDepth, '}')));
  ck_assert(!json_valid(objects + "{\"a\":1}" + std::string(kMaxJsonDepth, '}')));
}
END_TEST

START_TEST(every_cut_of_a_valid_text_is_rejected) {
  const std::string text = R"({"a":[1.5e3,"x\u00e9\n",{"b":null,"c":[true,false]}],"d":{}})";
  ck_assert(json_valid(text));
  for (std::size_t length = 0; length < text.size(); ++length) {
    assert_that(!json_valid(std::string_view(text).substr(0, length)), text.substr(0, length));
  }
}
END_TEST

START_TEST(members_are_found_with_their_raw_values) {
  bool good = false;
  const auto members =
      members_of(R"( { "type" : "a\u0062" ,"data":{ "type":"inner", "n":1.50 }, "\u0074tl" :-1e2} )", good);
  ck_assert(good);
  ck_assert_uint_eq(members.size(), 3);
  assert_text(members[0].first, "type");
  assert_text(members[0].second, R"("a\u0062")");
  assert_text(members[1].first, "data");
  assert_text(members[1].second, R"({ "type":"inner", "n":1.50 })");
  assert_text(members[2].first, "ttl");
  assert_text(members[2].second, "-1e2");
}
END_TEST

START_TEST(a_member_given_twice_is_visited_twice) {
  bool good = false;
  const auto members = members_of(R"({"a":1,"a":2})", good);
  ck_assert(good);
  ck_assert_uint_eq(members.size(), 2);
  assert_text(members[1].second, "2");
}
END_TEST

START_TEST(only_objects_have_members) {
  bool good = true;
  for (const char* text : {"", "[]", "1", "null", "\"{}\"", "{", "{}{}"}) {
    ck_assert(members_of(text, good).empty());
    assert_that(!good, text);
  }
  ck_assert(members_of(" {} ", good).empty());
  ck_assert(good);
}
END_TEST

START_TEST(strings_are_unescaped) {
  const struct {
    const char* value;
    std::string_view wanted;
  } rows[] = {{R"("")", ""},
              {R"("abc")", "abc"},
              {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
              {R"("\u0041\u00e9\u20AC\ud834\udd1e")", "Aé€𝄞"},
              {R"("\uD83E\uDDC0!")", "🧀!"},
              {R"("\u0000")", std::string_view("\0", 1)},
              {"\"é𝄞\"", "é𝄞"}};
  for (const auto& row : rows) {
    const auto text = json_string(row.value);
    assert_that(text.has_value(), row.value);
    assert_text(*text, row.wanted);
  }
}
END_TEST

START_TEST(only_valid_strings_in_utf8_are_unescaped) {
  for (const char* value : {"", "1", "null", "\"a", "\"a\"x", R"("\ud800")", R"("\udc00")", R"("\ud800x")",
                            R"("\ud800\n")", R"("\ud800\u0041")", R"("\ud800\ud800")", "\"\xff\"", R"("\x")"}) {
    assert_that(!json_string(value), value);
  }
}
END_TEST

START_TEST(numbers_are_recognised) {
  for (const char* text : {"0", "-1", "1.5", "1e9"}) {
    assert_that(json_is_number(text), text);
  }
  for (const char* text : {"", "1 ", "01", "1.", "\"1\"", "null", "1,2", "-"}) {
    assert_that(!json_is_number(text), text);
  }
}
END_TEST

}  // namespace

int main() {
  return run("json_text", {
                              every_kind_of_value_is_accepted,
                              everything_else_is_rejected,
                              invalid_utf8_is_rejected,
                              nesting_has_a_limit_and_no_recursion,
                              every_cut_of_a_valid_text_is_rejected,
                              members_are_found_with_their_raw_values,
                              a_member_given_twice_is_visited_twice,
                              only_objects_have_members,
                              strings_are_unescaped,
                              only_valid_strings_in_utf8_are_unescaped,
                              numbers_are_recognised,
                          });
}
