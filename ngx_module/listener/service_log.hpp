// What an operator reads about the listener in the error log. Debian's default level is `error`: so what the operator
// must know has this level, the end of a trouble too. Repeated lines are limited.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>

#include "core/text/absence_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class ServiceLog {
 public:
  ServiceLog(const DatabaseConf& conf, SharedRoot& root, ngx_log_t* log) : conf_(conf), root_(root), log_(log) {}

  // The database is away: logged when that begins, and then once a minute with the time since. Only the owner of the
  // lease calls these two. The reason goes into shared memory, for `pgevents_ready`; `why` also says what to do.
  void away(AwayReason reason, const char* why) noexcept;
  // A listener follows the log, up to event `id`.
  void back(std::uint64_t id) noexcept;

  // This process has taken the lease from `owner` (0: it was free), which was to renew it by `until`.
  void took_lease(std::uint64_t owner, std::int64_t until, std::int64_t now) const noexcept;
  void lost_lease() const noexcept;

 private:
  void write_away(AwayReason reason, const char* why, const char* since) const noexcept;

  const DatabaseConf& conf_;
  SharedRoot& root_;
  ngx_log_t* log_;
  AbsenceLimit limit_;
};

}  // namespace pgevents::nginx
