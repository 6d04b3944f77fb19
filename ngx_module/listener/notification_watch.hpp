// Finds out whether notifications arrive: events that only the sweep has found came without one. The first such find is
// counted only, because the notification may have been on its way; with the second the operator is warned.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <optional>

#include "core/metrics/metrics.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class NotificationWatch {
 public:
  NotificationWatch(const DatabaseConf& conf, SharedRoot& root, Metrics& metrics, ngx_log_t* log)
      : conf_(conf), root_(root), metrics_(metrics), log_(log) {}

  void notified() noexcept;
  // The connection is lost, or the listener itself has given ids: what is found now says nothing.
  void forget() noexcept;
  // A sweep begins to read; `last_id` is the ring's, `appended` how many events were appended by then.
  void sweep_begins(std::uint64_t last_id, std::uint64_t appended) noexcept;
  // The log was read to its end, by a sweep or otherwise.
  void read_ended(std::uint64_t last_id, std::uint64_t appended) noexcept;

 private:
  void warn() noexcept;

  struct Sweep {
    std::uint64_t last_id;
    std::uint64_t appended;
  };

  const DatabaseConf& conf_;
  SharedRoot& root_;
  Metrics& metrics_;
  ngx_log_t* log_;
  std::optional<Sweep> sweep_;  // that reads now
  bool found_ = false;          // the last sweep found events, and no NOTIFY came since
  RepeatLimit missing_log_{60'000};
};

}  // namespace pgevents::nginx
