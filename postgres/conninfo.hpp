// Connection strings (PostgreSQL manual, chapter "libpq - C Library", section "Connection Strings").
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>

namespace pgevents::postgres {

struct ConninfoDeleter {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
// libpq's array of all options, ended by one without keyword.
using ConninfoOptions = std::unique_ptr<PQconninfoOption, ConninfoDeleter>;

// Null if libpq cannot read `conninfo`. libpq's own message is dropped: it may quote a password.
ConninfoOptions parse_conninfo(const std::string& conninfo) noexcept;

// Whether libpq takes it as a value of `dbname` (PQconnectdbParams with expand_dbname): a connection string, a URI, or
// a database's name.
bool conninfo_is_valid(const std::string& conninfo) noexcept;

}  // namespace pgevents::postgres
