// JSON as text: checks it (RFC 8259) and finds members without converting anything, because numbers, key order and
// escapes of an event's data must reach the browser as written. Builds no tree and does not recurse.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

// Deeper nesting is rejected (RFC 8259, section 9 allows a limit), long before PostgreSQL's own parser rejects it.
inline constexpr std::size_t kMaxJsonDepth = 1000;

// True when `text` is exactly one JSON value (with white space around it) in valid UTF-8.
bool json_valid(std::string_view text);

// Calls `visit` with the unescaped name and the raw text of the value for each member of the object in `text`. A name
// that UTF-8 cannot express (half of a surrogate pair) is passed as written, with its quotes. False when `text` is not
// valid JSON or not an object; `visit` may have been called for some members then.
using JsonVisitor = std::function<void(const std::string& name, std::string_view value)>;
bool json_members(std::string_view text, const JsonVisitor& visit);

// The characters of a JSON string given with its quotes. Nothing if `value` is not a valid string or contains half of a
// surrogate pair, which UTF-8 cannot express.
std::optional<std::string> json_string(std::string_view value);

bool json_is_number(std::string_view text) noexcept;

}  // namespace pgevents
