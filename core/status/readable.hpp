// Values as a person reads them, for the status page: "1,234", "31.4 MB", "3 min 20 s", "99 % within 5 ms".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/metrics/snapshot.hpp"

namespace pgevents {

// With commas between groups of three digits.
std::string readable_count(std::uint64_t value);

// 1 KB is 1,024 bytes, as in nginx's sizes.
std::string readable_bytes(std::uint64_t bytes);

// A duration: two units, or one with a decimal below ten seconds.
std::string readable_time(std::uint64_t us);

// How long ago `at_ms` was; a time in the future counts as now.
std::uint64_t age_us(std::int64_t now_ms, std::uint64_t at_ms) noexcept;

// The upper bound of the bucket that holds the `percent`-th part of the observations of a histogram, whose series
// begins at `word`: "5 ms", or "more than 1 min". Nothing without observations.
std::optional<std::string> readable_quantile(const MetricsSnapshot& values, std::size_t word, unsigned percent);

// The words that readable_quantile() uses for the buckets, each followed by `between` but the last.
std::string readable_bounds(char between);

}  // namespace pgevents
