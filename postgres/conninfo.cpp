// Connection strings; see conninfo.hpp.
#include "postgres/conninfo.hpp"

#include "postgres/conninfo_syntax.hpp"
#include "postgres/conninfo_values.hpp"

namespace pgevents::postgres {

ConninfoOptions parse_conninfo(const std::string& conninfo) noexcept {
  char* message = nullptr;
  ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);
  return options;
}

std::optional<std::string> conninfo_fault(const std::string& conninfo) {
  const ConninfoOptions options = parse_conninfo(conninfo);
  return options == nullptr ? syntax_fault(conninfo) : value_fault(options.get());
}

std::optional<std::string> database_fault(const std::string& text) {
  const bool is_name = text.find("://") == std::string::npos && text.find('=') == std::string::npos;
  return is_name ? std::nullopt : conninfo_fault(text);
}

std::string_view option_value(const PQconninfoOption* options, std::string_view keyword) noexcept {
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->keyword == keyword) {
      return option->val != nullptr ? option->val : "";
    }
  }
  return {};
}

}  // namespace pgevents::postgres
