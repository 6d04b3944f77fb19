// Do notifications arrive? See notification_watch.hpp.
#include "ngx_module/listener/notification_watch.hpp"

#include <utility>

#include "core/metrics/clock.hpp"

namespace pgevents::nginx {

void NotificationWatch::notified() noexcept {
  root_.troubles.notified_ms.store(wall_clock_ms());
  forget();
}

void NotificationWatch::forget() noexcept {
  found_ = false;
  sweep_.reset();
}

void NotificationWatch::sweep_begins(std::uint64_t last_id, std::uint64_t appended) noexcept {
  if (std::exchange(found_, false)) {
    warn();
  }
  sweep_ = Sweep{last_id, appended};
}

void NotificationWatch::read_ended(std::uint64_t last_id, std::uint64_t appended) noexcept {
  if (const auto sweep = std::exchange(sweep_, std::nullopt); sweep && last_id > sweep->last_id) {
    found_ = true;
    metrics_.add_many(appended - sweep->appended, Metric::kSweepFoundEvents);
  }
}

// One sweep after the one that found the events: their NOTIFY may have been on its way then.
void NotificationWatch::warn() noexcept {
  root_.troubles.unnotified_ms.store(wall_clock_ms());
  if (missing_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    ngx_log_error(
        NGX_LOG_ERR, log_, 0,
        "pgevents: events of \"%V\" came without a notification, as late as sweep= allows; let no pooler share the "
        "listener's session, and on a copy of the log enable the trigger log_notify%s",
        &conf_.name, missing_log_.note());
  }
}

}  // namespace pgevents::nginx
