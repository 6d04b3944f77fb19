// See conninfo_fault.hpp.
#include "postgres/conninfo_fault.hpp"

#include "postgres/conninfo.hpp"
#include "postgres/conninfo_syntax.hpp"
#include "postgres/conninfo_values.hpp"

namespace pgevents::postgres {

std::optional<std::string> conninfo_fault(const std::string& conninfo) {
  const ConninfoOptions options = parse_conninfo(conninfo);
  return options == nullptr ? syntax_fault(conninfo) : value_fault(options.get());
}

std::optional<std::string> database_fault(const std::string& text) {
  const bool is_name = text.find("://") == std::string::npos && text.find('=') == std::string::npos;
  return is_name ? std::nullopt : conninfo_fault(text);
}

}  // namespace pgevents::postgres
