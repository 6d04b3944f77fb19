// Lines about the listener; see service_log.hpp. docs/operations.md has a table of all lines.
#include "ngx_module/listener/service_log.hpp"

#include <cstdio>

namespace pgevents::nginx {
namespace {

std::int64_t now_ms() noexcept {
  return static_cast<std::int64_t>(ngx_current_msec);
}

}  // namespace

// The beginning is kept in shared memory: another worker may go on trying.
void ServiceLog::away(AwayReason reason, const char* why) noexcept {
  const std::int64_t now = now_ms();
  root_.away_reason.store(reason);
  std::int64_t since = 0;
  if (root_.away_since.compare_exchange_strong(since, now)) {
    since = now;
  }
  if (!limit_.away(now, since, static_cast<int>(reason), why)) {
    return;
  }
  char text[48] = "";
  if (now - since >= 1'000) {
    std::snprintf(text, sizeof text, " for %lld s", static_cast<long long>((now - since) / 1'000));
  }
  write_away(reason, why, text);
}

void ServiceLog::write_away(AwayReason reason, const char* why, const char* since) const noexcept {
  switch (reason) {
    case AwayReason::kCannotConnect:
      ngx_log_error(NGX_LOG_ERR, log_, 0,
                    "pgevents: database \"%V\" is not served%s: cannot connect: %s; check that PostgreSQL runs and "
                    "accepts this connection",
                    &conf_.name, since, why);
      return;
    case AwayReason::kLostConnection:
      ngx_log_error(NGX_LOG_ERR, log_, 0,
                    "pgevents: database \"%V\" is not served%s: lost the connection: %s; connecting again", &conf_.name,
                    since, why);
      return;
    case AwayReason::kNone:
    case AwayReason::kUnusable:
    case AwayReason::kNoNotification:
      ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: database \"%V\" is not served%s: %s", &conf_.name, since, why);
      return;
    case AwayReason::kRejected:
      ngx_log_error(NGX_LOG_ERR, log_, 0,
                    "pgevents: database \"%V\" is not served%s: it rejected a statement of the listener: %s",
                    &conf_.name, since, why);
      return;
  }
}

void ServiceLog::back(std::uint64_t id) noexcept {
  const std::int64_t now = now_ms();
  root_.away_reason.store(AwayReason::kNone);
  if (const std::int64_t since = root_.away_since.exchange(0); since != 0 && limit_.back(now, since)) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: database \"%V\" is served again after %.1f s", &conf_.name,
                  static_cast<double>(now - since) / 1e3);
  }
  ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: listening to \"%V\" behind id %uL", &conf_.name, id);
}

// Giving the lease up is what a worker does that nginx tells to leave.
void ServiceLog::took_lease(std::uint64_t owner, std::int64_t until, std::int64_t now) const noexcept {
  const auto pid = static_cast<ngx_pid_t>(static_cast<std::uint32_t>(owner));
  if (owner == 0 && until == 0) {
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" takes the lease", &conf_.name);
  } else if (owner == 0) {
    ngx_log_error(NGX_LOG_NOTICE, log_, 0,
                  "pgevents: process %P is the listener of \"%V\" now: the one before has left", ngx_pid, &conf_.name);
  } else if (until > now || owner_is_dead(owner)) {
    ngx_log_error(NGX_LOG_ERR, log_, 0,
                  "pgevents: process %P is the listener of \"%V\" now: process %P has died; see the lines before about "
                  "it",
                  ngx_pid, &conf_.name, pid);
  } else {
    ngx_log_error(NGX_LOG_ERR, log_, 0,
                  "pgevents: process %P is the listener of \"%V\" now: process %P has been stuck for more than 3 s; "
                  "look for what stopped it, or for an overload",
                  ngx_pid, &conf_.name, pid);
  }
}

void ServiceLog::lost_lease() const noexcept {
  ngx_log_error(
      NGX_LOG_ERR, log_, 0,
      "pgevents: process %P was stuck, and another one is the listener of \"%V\" by now; look for what stopped "
      "it, or for an overload",
      ngx_pid, &conf_.name);
}

}  // namespace pgevents::nginx
