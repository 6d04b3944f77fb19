// url.hpp: percent-encoding, query strings and forms.
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

std::string encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      out += '+';
    } else if (byte > 0x20 && byte < 0x7f && std::string_view("%+&=").find(c) == std::string_view::npos) {
      out += c;
    } else {
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

void check_fields(std::string_view text, const FormFields& fields) {
  std::string again;
  std::size_t next = 0;
  while (!text.empty()) {
    std::string_view pair = take(text, '&');
    if (pair.empty()) {
      continue;
    }
    require(next < fields.size(), "every pair is a field");
    const auto& [name, value] = fields[next++];
    require(form_decode(take(pair, '=')) == name, "a field has its name", name);
    require(form_decode(pair) == value, "a field has its value", value);
    require(utf8_valid(name) && utf8_valid(value), "fields are UTF-8", name);
    again += encoded(name) + '=' + encoded(value) + '&';
  }
  require(next == fields.size(), "a frame has no further field");
  FormFields read;
  require(!parse_form(again, "form", read) && read == fields, "encoding is undone by parsing", again);
}

}  // namespace

void fuzz(std::string_view input) {
  FormFields fields;
  if (const auto wrong = parse_form(input, "form", fields)) {
    const bool too_many = *wrong == too_many_parameters("form");
    require(too_many ? fields.size() == kMaxParameters : !form_decode(input),
            "a form is refused only for what cannot be decoded, or is too much", input);
  } else {
    require(fields.size() <= kMaxParameters, "a form has at most the allowed number of fields");
    check_fields(input, fields);
  }
  const auto characters = form_decode(encoded(input));
  require(characters.has_value() == utf8_valid(input), "encoded UTF-8 can be decoded", input);
  require(!characters || *characters == input, "decoding is the reverse of encoding", input);
}

}  // namespace pgevents::fuzzing
