// Why libpq cannot read a connection string, for the operator. libpq's own message quotes the text, which may be a
// password. For conninfo_fault.cpp.
#pragma once

#include <string>

namespace pgevents::postgres {

// `conninfo` is one that PQconninfoParse() rejects, in either form. The answer names keywords, never values. A word
// that could be a part of a password is not repeated either.
std::string syntax_fault(const std::string& conninfo);

}  // namespace pgevents::postgres
