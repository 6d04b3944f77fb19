// Numbers of metrics as decimal text in their base unit.
#pragma once

#include <cstdint>
#include <string>

#include "core/metrics/metric.hpp"

namespace pgevents {

// Appends `value`, which is kept in `unit`: seconds without the zeros at the end, other values as they are.
void append_metric(std::string& out, std::uint64_t value, MetricUnit unit);

}  // namespace pgevents
