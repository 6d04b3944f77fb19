// Values of request headers that the core reads itself: white space, case, media types, cookies, credentials.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

// Without spaces and tabs at both ends (RFC 9110, section 5.6.3).
std::string_view trimmed(std::string_view text) noexcept;

// Compares ASCII letters without their case; `lower_case` is written in lower case.
bool equals_ignoring_case(std::string_view text, std::string_view lower_case) noexcept;

// The media type alone: without its parameters and the white space around it.
std::string_view media_type(std::string_view text) noexcept;

// The credentials of the scheme Bearer (RFC 6750, section 2.1); nothing if the scheme is another one.
std::optional<std::string> bearer_credentials(std::string_view authorization);

// Whether a cookie can have this name: characters of a token of RFC 9110, section 5.6.2. True for an empty text.
bool is_cookie_name(std::string_view name) noexcept;

// The first cookie of that name that is not empty (RFC 6265, section 4.2; the value may stand between double quotes).
std::optional<std::string> cookie_value(std::string_view cookies, std::string_view name);

}  // namespace pgevents
