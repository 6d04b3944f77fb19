// The status in Prometheus' text format, version 0.0.4 (Prometheus documentation, "Exposition formats").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status/status_view.hpp"

namespace pgevents {

inline constexpr char kPrometheusType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string prometheus_text(const StatusView& view);

// All words of one metric, from its first one on. An empty `database` is no label.
struct MetricValues {
  std::string_view database;
  const std::uint64_t* words = nullptr;
};

// Appends one metric of any table with its help and type; `prefix` precedes its name.
void append_prometheus(std::string& out, std::string_view prefix, const MetricInfo& info,
                       const std::vector<MetricValues>& values);

}  // namespace pgevents
