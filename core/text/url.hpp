// Percent-encoding and query strings, read strictly: text that cannot be decoded is rejected, not guessed at.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgevents {

// One request has no more parameters than this, in its query, form or JSON body.
inline constexpr std::size_t kMaxParameters = 64;

// Decodes `%hh` only. Nothing if a `%` is not followed by two hexadecimal digits. The result may be any bytes.
std::optional<std::string> percent_decode(std::string_view text);

// Decodes a name or value of application/x-www-form-urlencoded (URL standard, section 5.1): `%hh`, and `+` for a space.
// Nothing if a `%` is not followed by two hexadecimal digits or the result is not UTF-8.
std::optional<std::string> form_decode(std::string_view text);

// Reads the pairs of a query string or form body in their order; pairs without `=` have an empty value. Returns an
// error message for the client, which names the text as `kind` ("query", "form"): a pair cannot be decoded, or the text
// has more than kMaxParameters, of which the rest is not read.
using FormFields = std::vector<std::pair<std::string, std::string>>;
std::optional<std::string> parse_form(std::string_view text, std::string_view kind, FormFields& fields);

// The error message about parameter kMaxParameters + 1.
std::string too_many_parameters(std::string_view kind);

}  // namespace pgevents
