// How a process counts: plain additions in its own slot (slots.hpp). One process writes a slot, so that no counter
// needs a lock or an atomic read-modify-write; others may read it at any time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/metrics/metric.hpp"

namespace pgevents {

using MetricWord = std::atomic<std::uint64_t>;
static_assert(MetricWord::is_always_lock_free && sizeof(MetricWord) == 8, "shared words need lock-free 64-bit atomics");

// For the process that alone writes the word.
inline void add_to(MetricWord& word, std::uint64_t n) noexcept {
  word.store(word.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// Into the series of a histogram: `us` microseconds; a time before 0, by clocks that differ, counts as 0.
inline void observe_in(MetricWord* series, std::int64_t us) noexcept {
  const std::uint64_t value = us < 0 ? 0 : static_cast<std::uint64_t>(us);
  std::size_t bucket = 0;
  while (bucket < kBucketCount - 1 && value > kBucketBounds[bucket]) {
    ++bucket;
  }
  add_to(series[bucket], 1);
  add_to(series[kBucketCount], value);
}

// Adds what a process has counted to `sums`, which only the caller uses.
inline void add_words(std::uint64_t* sums, const MetricWord* words, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    sums[i] += words[i].load(std::memory_order_relaxed);
  }
}

class Metrics {
 public:
  // `words`: kSlotWords of them, which outlive this object.
  explicit Metrics(MetricWord* words) noexcept : words_(words) {}

  // Labels are enums, in the order of the table. The compiler knows the place if it knows them.
  template <typename... Labels>
  void add(Metric metric, Labels... labels) noexcept {
    add_many(1, metric, labels...);
  }
  template <typename... Labels>
  void add_many(std::uint64_t n, Metric metric, Labels... labels) noexcept {
    add_to(words_[place(metric, labels...)], n);
  }
  // For gauges only.
  template <typename... Labels>
  void subtract(Metric metric, Labels... labels) noexcept {
    add_to(words_[place(metric, labels...)], ~std::uint64_t{0});
  }
  template <typename... Labels>
  void set(std::uint64_t value, Metric metric, Labels... labels) noexcept {
    words_[place(metric, labels...)].store(value, std::memory_order_relaxed);
  }
  // Into a histogram.
  template <typename... Labels>
  void observe(std::int64_t us, Metric metric, Labels... labels) noexcept {
    observe_in(words_ + place(metric, labels...), us);
  }

 private:
  template <typename... Labels>
  static constexpr std::size_t place(Metric metric, Labels... labels) noexcept {
    static_assert((std::is_enum_v<Labels> && ...), "a label is one of the enums in labels.hpp and reasons.hpp");
    return word_of(metric, static_cast<std::size_t>(labels)...);
  }

  MetricWord* words_;
};

}  // namespace pgevents
