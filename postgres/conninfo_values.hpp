// Values of a connection string that libpq would reject only when it connects. For conninfo_fault.cpp.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>

namespace pgevents::postgres {

// The first such value, by its keyword; values are never repeated. `options` is what PQconninfoParse() gave.
std::optional<std::string> value_fault(const PQconninfoOption* options);

}  // namespace pgevents::postgres
