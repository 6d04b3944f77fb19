// The status as a page for operators.
#pragma once

#include <string>

#include "core/status/status_view.hpp"

namespace pgevents {

// An HTML document. Names of databases and channels are escaped.
std::string status_page(const StatusView& view);

// The value of Content-Security-Policy for it.
std::string_view status_page_policy() noexcept;

}  // namespace pgevents
