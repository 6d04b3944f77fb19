// See service_state.hpp.
#include "ngx_module/http/service_state.hpp"

namespace pgevents::nginx {

bool ServiceState::revoked(std::string_view user, std::int64_t issued_us) const noexcept {
  return revocations_.loads() != 0 && revocations_.rejects(user, issued_us);
}

// A token that was revoked before the listener lost its connection stays rejected. serving() is read first: the table
// then holds what the listener loaded before it served.
std::optional<Error> ServiceState::rejection(std::string_view user, std::int64_t issued_us,
                                             unsigned retry_after) const {
  const bool knows = serving();
  if (revoked(user, issued_us)) {
    return token_revoked();
  }
  return knows ? std::nullopt : std::optional(database_away(retry_after));
}

}  // namespace pgevents::nginx
