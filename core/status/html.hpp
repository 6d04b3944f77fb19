// Foreign text in an HTML document.
#pragma once

#include <string>
#include <string_view>

namespace pgevents {

// Appends `text` so that it is only text, between tags and in quoted attributes. Control characters of
// both blocks, which HTML does not allow and a terminal's browser might pass on, become U+FFFD.
void append_html(std::string& out, std::string_view text);

}  // namespace pgevents
