// How a request is refused: the error, and what may be repeated of the client's own words in it.
#pragma once

#include <string>
#include <string_view>

#include "core/wire/reply.hpp"

namespace pgevents {

Error complain(int status, std::string msg);

// `what 'value'`, or only `what` when the value is too long or not printable enough to be repeated. (A token that got
// into the wrong place is too long: its signature alone has 43 characters.)
std::string naming(std::string_view what, std::string_view value);

// 400: `what 'name' is given twice`. The client and an intermediary could take different ones of the two.
Error given_twice(std::string_view what, std::string_view name);

}  // namespace pgevents
