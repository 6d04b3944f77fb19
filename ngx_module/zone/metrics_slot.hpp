// This process's slot for counters in the zone. Without a free one it counts into memory of its own, not shown.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/metrics/slots.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class MetricsSlot {
 public:
  // `self`: this process in shared memory; `database`: its name, for the log.
  MetricsSlot(SharedRoot& root, std::uint64_t self, const ngx_str_t& database, ngx_log_t* log)
      : self_(self), metrics_(claim(root, database, log)) {}
  ~MetricsSlot();
  MetricsSlot(const MetricsSlot&) = delete;
  MetricsSlot& operator=(const MetricsSlot&) = delete;

  Metrics& metrics() noexcept { return metrics_; }
  // Releases the slots of processes that were killed.
  void release_dead() noexcept { all_.release_dead(self_, owner_is_dead); }
  // The slots of all processes; empty if the shared memory has another layout.
  const MetricsSlots& all() const noexcept { return all_; }
  // Nothing: in memory of its own.
  std::optional<std::size_t> index() const noexcept { return index_; }

 private:
  MetricWord* claim(SharedRoot& root, const ngx_str_t& database, ngx_log_t* log);

  const std::uint64_t self_;
  MetricsSlots all_;
  std::optional<std::size_t> index_;
  std::unique_ptr<MetricWord[]> own_;
  Metrics metrics_;
};

}  // namespace pgevents::nginx
