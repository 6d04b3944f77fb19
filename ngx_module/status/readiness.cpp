// See readiness.hpp. No query is made: the listener leaves in the shared memory when it last read the log.
#include "ngx_module/status/readiness.hpp"

#include <algorithm>

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kLeastLag = 5'000;

ngx_msec_t default_lag(const DatabaseConf& conf) noexcept {
  return std::max(2 * conf.sweep, kLeastLag);
}

}  // namespace

std::string why_not_following(const DatabaseWorker& database, ngx_msec_t max_lag) {
  if (!database.service().serving()) {
    return "no listener follows the log";
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
