// See metrics_slot.hpp.
#include "ngx_module/zone/metrics_slot.hpp"

namespace pgevents::nginx {

MetricWord* MetricsSlot::claim(SharedRoot& root, const ngx_str_t& database, ngx_log_t* log) {
  if (all_.attach(root.metrics, kMetricsSlots)) {
    index_ = all_.claim(self_, owner_is_dead);
  }
  if (index_) {
    return all_.words(*index_);
  }
  ngx_log_error(NGX_LOG_WARN, log, 0,
                "pgevents: no slot for the metrics of \"%V\" is free: what this process counts is not shown; let fewer "
                "than %uz workers run at a time",
                &database, kMetricsSlots);
  own_ = std::make_unique<MetricWord[]>(kSlotWords);
  return own_.get();
}

MetricsSlot::~MetricsSlot() {
  if (index_) {
    all_.release(*index_, self_);
  }
}

}  // namespace pgevents::nginx
