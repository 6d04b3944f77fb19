// UTF-8 (RFC 3629) as the core checks it: names, bodies and what is echoed in error messages.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgevents {

// Length in bytes of the well-formed sequence at the start of `text`; 0 when there is none (overlong forms,
// surrogates and code points above U+10FFFF are not well-formed).
std::size_t utf8_sequence(std::string_view text) noexcept;

bool utf8_valid(std::string_view text) noexcept;

// True when `text` holds an ASCII control character (0x00 to 0x1f, 0x7f).
bool has_control(std::string_view text) noexcept;

}  // namespace pgevents
