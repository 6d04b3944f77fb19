// The tables of the status page: one database's traffic, subscribers, troubles, statements, log and workers.
#pragma once

#include <cstddef>
#include <string>

#include "core/status/status_view.hpp"

namespace pgevents {

// Marks up a counter, so that the page's script can show how it grows: `data-key` names it among all on the page, which
// `index`, that of the database, keeps apart; `as` names what the script shows in the next element.
void append_counter(std::string& out, std::size_t index, const char* key, const char* as, const std::string& numbers);

// `index`: of the database on the page.
void append_tables(std::string& out, const DatabaseStatus& database, std::size_t index, std::int64_t now_ms);

}  // namespace pgevents
