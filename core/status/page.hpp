// The status as a page for operators, complete without JavaScript. With it, the page refreshes itself and shows rates.
#pragma once

#include <string>
#include <string_view>

#include "core/status/status_view.hpp"

namespace pgevents {

// An HTML document. Names of databases and channels are escaped.
std::string status_page(const StatusView& view);

// The value of Content-Security-Policy for it.
std::string_view status_page_policy() noexcept;

}  // namespace pgevents
