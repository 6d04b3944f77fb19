// See readiness.hpp. No query is made: the listener leaves in the shared memory when it last read the log.
#include "ngx_module/status/readiness.hpp"

#include <algorithm>

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kLeastLag = 5'000;

ngx_msec_t default_lag(const DatabaseConf& conf) noexcept {
  return std::max(2 * conf.sweep, kLeastLag);
}

// In words of this module: PostgreSQL's text, which the error log has, may name roles and hosts.
const char* cause(AwayReason reason) noexcept {
  switch (reason) {
    case AwayReason::kNone:
      break;
    case AwayReason::kCannotConnect:
      return ": it cannot connect to the database";
    case AwayReason::kLostConnection:
      return ": it lost the connection to the database";
    case AwayReason::kUnusable:
      return ": the schema is missing, has another version, or its role has no rights there";
    case AwayReason::kNoNotification:
      return ": notifications do not arrive, a pooler shares its session";
    case AwayReason::kRejected:
      return ": the database rejects its statement";
  }
  return "";
}

}  // namespace

std::string why_not_following(const DatabaseWorker& database, ngx_msec_t max_lag) {
  if (!database.service().serving()) {
    return std::string("no listener follows the log") + cause(database.root().away_reason.load());
  }
  const auto read_at = static_cast<ngx_msec_t>(database.root().read_at.load(std::memory_order_relaxed));
  const ngx_msec_t age = std::max<ngx_msec_int_t>(static_cast<ngx_msec_int_t>(ngx_current_msec - read_at), 0);
  if (age > (max_lag != 0 ? max_lag : default_lag(database.conf()))) {
    return "the log was last read " + std::to_string(age) + " ms ago";
  }
  return {};
}

std::string why_not_ready(const DatabaseWorker& database, ngx_msec_t max_lag) {
  if (database.service().leaving() || ngx_exiting || ngx_terminate) {
    return "this process leaves";
  }
  return why_not_following(database, max_lag);
}

}  // namespace pgevents::nginx
