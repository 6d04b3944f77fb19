// Connection strings; see conninfo.hpp.
#include "postgres/conninfo.hpp"

namespace pgevents::postgres {

ConninfoOptions parse_conninfo(const std::string& conninfo) noexcept {
  char* message = nullptr;
  ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);
  return options;
}

bool is_keyword(std::string_view word) noexcept {
  const ConninfoOptions all = parse_conninfo("");
  const PQconninfoOption* option = all.get();
  while (option != nullptr && option->keyword != nullptr && option->keyword != word) {
    ++option;
  }
  return option != nullptr && option->keyword != nullptr;
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
