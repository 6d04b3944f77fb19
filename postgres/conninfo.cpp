// Connection strings; see conninfo.hpp.
#include "postgres/conninfo.hpp"

namespace pgevents::postgres {

ConninfoOptions parse_conninfo(const std::string& conninfo) noexcept {
  char* message = nullptr;
  ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);
  return options;
}

bool conninfo_is_valid(const std::string& conninfo) noexcept {
  const bool is_name = conninfo.find("://") == std::string::npos && conninfo.find('=') == std::string::npos;
  return is_name || parse_conninfo(conninfo) != nullptr;
}

}  // namespace pgevents::postgres
