// Strict decoding of query strings and forms.
#include "core/text/url.hpp"

#include <algorithm>

#include "core/text/hex.hpp"
#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (text.size() - i < 3) {
      return std::nullopt;
    }
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  return decode(text, false);
}

std::optional<std::string> form_decode(std::string_view text) {
  auto out = decode(text, true);
  if (out && !utf8_valid(*out)) {
    return std::nullopt;
  }
  return out;
}

std::optional<std::string> parse_form(std::string_view text, std::string_view kind, FormFields& fields) {
  fields.clear();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) {
      continue;
    }
    if (fields.size() == kMaxParameters) {
      return too_many_parameters(kind);
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = form_decode(pair.substr(0, equals));
    auto value = form_decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) {
      return "Invalid encoding in the " + std::string(kind);
    }
    fields.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

std::string too_many_parameters(std::string_view kind) {
  return "Too many parameters in the " + std::string(kind) + " (at most " + std::to_string(kMaxParameters) + ")";
}

}  // namespace pgevents
