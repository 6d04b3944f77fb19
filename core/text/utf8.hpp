// Checks of UTF-8 (RFC 3629), for names, bodies and text repeated in error messages.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgevents {

// Length in bytes of the well-formed sequence at the start of `text`; 0 if it is not well-formed (overlong forms,
// surrogates, code points above U+10FFFF).
std::size_t utf8_sequence(std::string_view text) noexcept;

bool utf8_valid(std::string_view text) noexcept;

// True when `text` holds an ASCII control character (0x00 to 0x1f, 0x7f).
bool has_control(std::string_view text) noexcept;

}  // namespace pgevents
