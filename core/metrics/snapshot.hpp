// The values of all metrics of one database at one moment: the sums over the processes, and what is one value for all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/metrics/metric.hpp"
#include "core/metrics/metrics.hpp"

namespace pgevents {

// The number of observations in the series of a histogram.
std::uint64_t observations_in(const std::uint64_t* series) noexcept;

class MetricsSnapshot {
 public:
  // A series by its first word; see word_of().
  std::uint64_t at(std::size_t word) const noexcept { return words_[word]; }
  // All words of a metric, from its first one on.
  const std::uint64_t* of(Metric metric) const noexcept { return words_.data() + first_word(metric); }
  void add(std::size_t word, std::uint64_t value) noexcept { words_[word] += value; }
  // The first `count` words of a process.
  void add(const MetricWord* words, std::size_t count) noexcept { add_words(words_.data(), words, count); }

  template <typename... Labels>
  std::uint64_t get(Metric metric, Labels... labels) const noexcept {
    return words_[word_of(metric, static_cast<std::size_t>(labels)...)];
  }
  template <typename... Labels>
  void set(std::uint64_t value, Metric metric, Labels... labels) noexcept {
    words_[word_of(metric, static_cast<std::size_t>(labels)...)] = value;
  }

  // Of the series of a histogram that begins at `word`.
  std::uint64_t observations(std::size_t word) const noexcept { return observations_in(words_.data() + word); }
  // The sum over all label values; of a histogram the number of observations.
  std::uint64_t total(Metric metric) const noexcept;

 private:
  std::array<std::uint64_t, kMetricWords> words_{};
};

}  // namespace pgevents
