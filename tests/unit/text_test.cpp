// UTF-8, percent-encoding and forms.
#include <string>

#include "checks.hpp"
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// The definition of UTF-8 (RFC 3629), written the slow way: encodes every code point.
std::string encode(unsigned code) {
  std::string out;
  if (code < 0x80) {
    return std::string(1, static_cast<char>(code));
  }
  const int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const unsigned marks[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(marks[tail] | (code >> (6 * tail)));
  for (int i = tail - 1; i >= 0; --i) {
    out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }
  return out;
}

START_TEST(every_code_point_but_surrogates_is_valid_utf8) {
  unsigned wrong = 0;  // one assertion at the end: Check's own cost would dominate a million
  for (unsigned code = 0; code <= 0x10FFFF; ++code) {
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const std::string text = encode(code);
    if (utf8_valid(text) == surrogate) {
      ++wrong;
    }
    if (utf8_sequence(text) != (surrogate ? 0 : text.size())) {
      ++wrong;
    }
  }
  ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(overlong_cut_and_stray_bytes_are_not_utf8) {
  for (const char* text : {"\x80",
                           "\xbf",
                           "\xc0\x80",
                           "\xc1\xbf",
                           "\xe0\x80\x80",
                           "\xe0\x9f\xbf",
                           "\xf0\x80\x80\x80",
                           "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80",
                           "\xfe",
                           "\xff",
                           "\xc3",
                           "\xe2\x82",
                           "\xf0\x9f\xa7",
                           "\xe2\x28\xa1",
                           "\xe2\x82\x28",
                           "\xf0\x28\x8c\xbc",
                           "\xf0\x9f\x28\xbc",
                           "\xf0\x9f\xa7\x28"}) {
    for (const char* before : {"", "1234567", "12345678", "123456789"}) {
      assert_that(!utf8_valid(std::string(before) + text), text);
      assert_that(!utf8_valid(std::string(before) + text + " and more text"), text);
    }
  }
}
END_TEST

START_TEST(control_characters_are_ascii_below_space_and_delete) {
  for (int byte = 0; byte < 256; ++byte) {
    const char text[] = {'a', static_cast<char>(byte)};
    ck_assert_int_eq(has_control(std::string_view(text, 2)), byte < 0x20 || byte == 0x7F);
  }
}
END_TEST

START_TEST(percent_and_plus_are_decoded) {
  const struct {
    const char* text;
    std::string_view wanted;
  } rows[] = {{"", ""},
              {"abc", "abc"},
              {"a+b", "a b"},
              {"a%2Bb", "a+b"},
              {"%41%4a%4A", "AJJ"},
              {"%C3%A9", "é"},
              {"a%2Cb%2fc", "a,b/c"},
              {"%25%32%35", "%25"},
              {"%00", std::string_view("\0", 1)}};
  for (const auto& row : rows) {
    const auto decoded = form_decode(row.text);
    assert_that(decoded.has_value(), row.text);
    assert_text(*decoded, row.wanted);
  }
}
END_TEST

START_TEST(undecodable_text_is_rejected) {
  for (const char* text : {"%", "%4", "a%", "%zz", "%4g", "%g4", "%%41", "%u0041", "%ff", "%C3", "%C3x", "\xff",
                           "%ED%A0%80", "% 41", "%-1"}) {
    assert_that(!form_decode(text), text);
  }
}
END_TEST

// The fields of a form, or the error.
std::string fields_of(const std::string& text) {
  FormFields fields;
  if (const auto wrong = parse_form(text, "form", fields)) {
    return *wrong;
  }
  std::string all;
  for (const auto& [name, value] : fields) {
    all += '(' + name + '|' + value + ')';
  }
  return all;
}

START_TEST(forms_are_pairs_in_their_order) {
  assert_text(fields_of("a=1&b=x%26y=z&&c&=d&a=2&e="), "(a|1)(b|x&y=z)(c|)(|d)(a|2)(e|)");
  assert_text(fields_of(""), "");
  assert_text(fields_of("&&&"), "");
}
END_TEST

START_TEST(one_bad_pair_rejects_the_whole_form) {
  for (const char* text : {"a=1&b=%zz", "%zz=1&a=1", "a=%", "a=1&%"}) {
    assert_text(fields_of(text), "Invalid encoding in the form", text);
  }
}
END_TEST

START_TEST(a_form_has_64_fields_at_most) {
  std::string form;
  for (int i = 0; i < 64; ++i) {
    form += "a&&";
  }
  assert_that(fields_of(form)[0] == '(', form);
  assert_text(fields_of(form + "b"), "Too many parameters in the form (at most 64)");
  assert_text(fields_of(form + "b&%zz"), "Too many parameters in the form (at most 64)");
}
END_TEST

START_TEST(in_paths_a_plus_is_a_plus_and_any_bytes_are_allowed) {
  assert_text(*percent_decode("a+b%2B%ff"), "a+b+\xff");
  for (const char* text : {"%", "%4", "%zz", "%%41"}) {
    assert_that(!percent_decode(text), text);
  }
}
END_TEST

}  // namespace

int main() {
  return run("text", {
                         every_code_point_but_surrogates_is_valid_utf8,
                         overlong_cut_and_stray_bytes_are_not_utf8,
                         control_characters_are_ascii_below_space_and_delete,
                         percent_and_plus_are_decoded,
                         undecodable_text_is_rejected,
                         forms_are_pairs_in_their_order,
                         one_bad_pair_rejects_the_whole_form,
                         a_form_has_64_fields_at_most,
                         in_paths_a_plus_is_a_plus_and_any_bytes_are_allowed,
                     });
}
