// Which statement serves which endpoint; see statements.hpp.
#include "postgres/statements.hpp"

namespace pgevents::sql {

const SqlText& call_statement(Endpoint endpoint) noexcept {
  switch (endpoint) {
    case Endpoint::kRegister:
      return kRegister;
    case Endpoint::kReportPresence:
      return kReportPresence;
    case Endpoint::kUserPresence:
      return kUserPresence;
    case Endpoint::kRealmPresence:
      return kRealmPresence;
    case Endpoint::kTyping:
      return kTyping;
    case Endpoint::kSettings:
      break;
  }
  return kSettings;
}

}  // namespace pgevents::sql
