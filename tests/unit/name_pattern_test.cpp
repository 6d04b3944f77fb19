// The pattern of names: the default, an operator's own, and patterns that would be dangerous.
#include "core/text/name_pattern.hpp"

#include <string>

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::unique_ptr<NamePattern> pattern(std::string_view text) {
  std::string error;
  auto compiled = NamePattern::compile(text, error);
  assert_that(compiled != nullptr, error);
  return compiled;
}

START_TEST(the_default_accepts_plain_names) {
  const auto names = pattern(kDefaultNamePattern);
  for (const char* name : {"a", "cheese", "room:12", "user@example.org", "a.b-c_d=e+f", "0", "Z9"}) {
    assert_that(names->matches(name), name);
  }
}
END_TEST

START_TEST(the_default_rejects_everything_else) {
  const auto names = pattern(kDefaultNamePattern);
  for (const char* name : {"",     " ",     "a b",  "a,b",  "a/b",  "a*",   "é",   "a\n",  "\na", "a\r\nb",
                           "a\tb", "a\x7f", "\x01", "a%41", "\xff", "a\"b", "a'b", "a\\b", "[a]", "a;b"}) {
    assert_that(!names->matches(name), name);
  }
  assert_that(!names->matches(std::string_view("a\0b", 3)), "a NUL");
}
END_TEST

START_TEST(names_have_1_to_255_bytes) {
  const auto any = pattern(".*");
  ck_assert(!any->matches(""));
  ck_assert(any->matches(std::string(255, 'x')));
  ck_assert(!any->matches(std::string(256, 'x')));
  std::string accented;
  for (int i = 0; i < 128; ++i) {
    accented += "é";  // 128 characters, 256 bytes
  }
  ck_assert(!any->matches(accented));
}
END_TEST

START_TEST(control_characters_and_bad_utf8_are_rejected_whatever_the_pattern) {
  const auto any = pattern("(?s).*");
  for (const char* name : {"a\nb", "a\rb", "\x1f", "\x7f", "\xff", "\xc3(", "\xed\xa0\x80", "\xf5\x80\x80\x80"}) {
    assert_that(!any->matches(name), name);
  }
  for (const char* name : {"Käse 🧀", "\xc2\x80", "a\xc2\x85z", "\xc2\x9b"}) {  // U+0080 to U+009F separate no lines
    assert_that(any->matches(name), name);
  }
}
END_TEST

START_TEST(the_whole_name_must_match) {
  const auto names = pattern("foo|bar[0-9]");
  for (const char* name : {"foo", "bar1"}) {
    assert_that(names->matches(name), name);
  }
  for (const char* name : {"foo1", "xfoo", "bar12", "foobar1", "bar"}) {
    assert_that(!names->matches(name), name);
  }
  ck_assert(!pattern("^foo$")->matches("foo\n"));
}
END_TEST

START_TEST(a_shorter_alternative_does_not_hide_a_longer_one) {
  ck_assert(pattern("a|ab")->matches("ab"));
  ck_assert(pattern("a*?")->matches("aaa"));
}
END_TEST

START_TEST(patterns_know_unicode) {
  const auto letters = pattern("\\p{L}+");
  ck_assert(letters->matches("Gruyère"));
  ck_assert(!letters->matches("Gruyère1"));
  ck_assert(pattern("..")->matches("é€"));
}
END_TEST

START_TEST(a_pattern_with_nested_repetitions_gives_up_soon) {
  const auto evil = pattern("(a+)+b|(a|aa)+c");
  const double before_it = cpu_seconds();
  ck_assert(!evil->matches(std::string(255, 'a')));
  ck_assert(cpu_seconds() - before_it < 2);
}
END_TEST

START_TEST(a_bad_pattern_is_rejected_with_the_offset) {
  for (const char* text : {"[a", "(", "a{2,1}", "*", "\\C", "\xff"}) {
    std::string error;
    assert_that(NamePattern::compile(text, error) == nullptr, text);
    assert_that(error.find("offset") != std::string::npos, error);
  }
}
END_TEST

START_TEST(sane_names_need_no_pattern) {
  for (const char* name : {"a", "a b", "ä/,*"}) {
    assert_that(name_is_sane(name), name);
  }
  for (const char* name : {"", "\n", "\x7f", "\xff"}) {
    assert_that(!name_is_sane(name), name);
  }
  ck_assert(name_is_sane(std::string(255, 'x')) && !name_is_sane(std::string(256, 'x')));
}
END_TEST

}  // namespace

int main() {
  return run("name_pattern", {
                                 the_default_accepts_plain_names,
                                 the_default_rejects_everything_else,
                                 names_have_1_to_255_bytes,
                                 control_characters_and_bad_utf8_are_rejected_whatever_the_pattern,
                                 the_whole_name_must_match,
                                 a_shorter_alternative_does_not_hide_a_longer_one,
                                 patterns_know_unicode,
                                 a_pattern_with_nested_repetitions_gives_up_soon,
                                 a_bad_pattern_is_rejected_with_the_offset,
                                 sane_names_need_no_pattern,
                             });
}
