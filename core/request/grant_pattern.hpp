// Patterns of channel names: what the operator and tokens grant.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/request/session.hpp"

namespace pgevents {

// A warning about the operator's patterns, or nothing. A `*` that is not at the end of a pattern, a comma, and
// braces around anything but `user` and `realm`, stand for themselves, which is hardly meant.
std::optional<std::string> pattern_doubt(std::string_view patterns);

// Whether one pattern matches a name. `{user}` and `{realm}` are taken from `identity`: the user literally, the realm
// with `=3D` for `=` and `=3A` for `:`, as in own_channel(), so that a `:` behind it always ends it.
bool pattern_matches(std::string_view pattern, const Identity& identity, std::string_view name) noexcept;

// Whether one of `patterns`, which are separated by spaces, matches.
bool any_matches(std::string_view patterns, const Identity& identity, std::string_view name);

}  // namespace pgevents
