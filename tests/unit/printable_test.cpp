// Foreign text in log lines.
#include "core/text/printable.hpp"

#include <string>
#include <string_view>

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

struct Case {
  std::string_view text;
  const char* shown;
};

constexpr Case kCases[] = {
    {"", ""},
    {"plain text, ünï≈ödé, \\ and \"", "plain text, ünï≈ödé, \\ and \""},
    {"two\nlines\r\nand\t\ttabs\n", "two lines and tabs"},
    {"2026/01/01 [crit] 1#1: a\n2026/01/01 [crit] 1#1: b", "2026/01/01 [crit] 1#1: a 2026/01/01 [crit] 1#1: b"},
    {"\x1b[31mred\x07", "\\x1b[31mred\\x07"},
    {{"a\0b\x7f", 4}, "a\\x00b\\x7f"},
    {"\xc2\x9b"
     "31m \xc2\xa0",
     "\\xc2\\x9b"
     "31m \xc2\xa0"},
    {"\xff\xc2", "\xff\xc2"},
    {"\n\n", ""},
};

START_TEST(control_characters_are_escaped) {
  for (const Case& c : kCases) {
    assert_text(Printable(c.text).c_str(), c.shown, c.shown);
  }
}
END_TEST

START_TEST(what_is_too_long_is_cut) {
  const std::string text(5000, 'x');
  ck_assert_uint_eq(std::string(Printable(text).c_str()).size(), 1023);
  char to[6];
  ck_assert_uint_eq(printable("ab\x01yz", to, sizeof to), 6);
  ck_assert_uint_eq(printable("abc\x01yz", to, sizeof to), 3);
  ck_assert_uint_eq(printable("abc", to, 0), 0);
}
END_TEST

}  // namespace

int main() {
  return run("printable", {control_characters_are_escaped, what_is_too_long_is_cut});
}
