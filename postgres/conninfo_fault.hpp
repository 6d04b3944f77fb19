// What is wrong with a connection string, for the operator who wrote it.
#pragma once

#include <optional>
#include <string>

namespace pgevents::postgres {

// What libpq would reject in `conninfo`, now or when it connects, with the keyword, and never a value. Nothing if it is
// valid. Connects to no server.
std::optional<std::string> conninfo_fault(const std::string& conninfo);

// As above for a value of `dbname` (PQconnectdbParams with expand_dbname): a connection string, a URI, or a database's
// name.
std::optional<std::string> database_fault(const std::string& text);

}  // namespace pgevents::postgres
