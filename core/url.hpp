// Percent-encoding and query strings, read strictly: what cannot be decoded is refused, not guessed at.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgevents {

// Decodes a name or value of application/x-www-form-urlencoded (URL standard, section 5.1): `%hh`, and `+` for a space.
// Nothing when a `%` is not followed by two hexadecimal digits or the result is not UTF-8.
std::optional<std::string> form_decode(std::string_view text);

// The pairs of a query string or form body in their order; pairs without `=` have an empty value. Nothing when one of
// them cannot be decoded.
using FormFields = std::vector<std::pair<std::string, std::string>>;
std::optional<FormFields> parse_form(std::string_view text);

}  // namespace pgevents
