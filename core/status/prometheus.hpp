// The status in Prometheus' text format, version 0.0.4 (Prometheus documentation, "Exposition formats").
#pragma once

#include <string>

#include "core/status/status_view.hpp"

namespace pgevents {

inline constexpr char kPrometheusType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string prometheus_text(const StatusView& view);

}  // namespace pgevents
