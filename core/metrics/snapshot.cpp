// See snapshot.hpp.
#include "core/metrics/snapshot.hpp"

#include <numeric>

namespace pgevents {

std::uint64_t observations_in(const std::uint64_t* series) noexcept {
  return std::accumulate(series, series + kBucketCount, std::uint64_t{0});
}

std::uint64_t MetricsSnapshot::total(Metric metric) const noexcept {
  const MetricInfo& info = info_of(metric);
  const std::size_t step = words_of_series(info);
  const std::size_t end = first_word(metric) + info.labels[0].count * info.labels[1].count * step;
  std::uint64_t sum = 0;
  for (std::size_t word = first_word(metric); word != end; word += step) {
    sum += info.type == MetricType::kHistogram ? observations(word) : words_[word];
  }
  return sum;
}

}  // namespace pgevents
