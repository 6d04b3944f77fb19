// See snapshot.hpp.
#include "core/metrics/snapshot.hpp"

namespace pgevents {

std::uint64_t MetricsSnapshot::observations(std::size_t word) const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    sum += words_[word + i];
  }
  return sum;
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
