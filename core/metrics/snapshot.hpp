// The values of all metrics of one database at one moment: the sums over the processes, and what is one value for all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/metrics/metric.hpp"

namespace pgevents {

class MetricsSnapshot {
 public:
  // A series by its first word; see word_of().
  std::uint64_t at(std::size_t word) const noexcept { return words_[word]; }
  void add(std::size_t word, std::uint64_t value) noexcept { words_[word] += value; }

  template <typename... Labels>
  std::uint64_t get(Metric metric, Labels... labels) const noexcept {
    return words_[word_of(metric, static_cast<std::size_t>(labels)...)];
  }
  template <typename... Labels>
  void set(std::uint64_t value, Metric metric, Labels... labels) noexcept {
    words_[word_of(metric, static_cast<std::size_t>(labels)...)] = value;
  }

  // The sum over all label values; of a histogram the number of observations.
  std::uint64_t total(Metric metric) const noexcept;
  // Of the series of a histogram that begins at `word`.
  std::uint64_t observations(std::size_t word) const noexcept;

 private:
  std::array<std::uint64_t, kMetricWords> words_{};
};

}  // namespace pgevents
