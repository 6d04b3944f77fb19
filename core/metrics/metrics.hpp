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
    MetricWord& word = words_[place(metric, labels...)];
    put(word, get(word) + n);
  }
  // For gauges only.
  template <typename... Labels>
  void subtract(Metric metric, Labels... labels) noexcept {
    MetricWord& word = words_[place(metric, labels...)];
    put(word, get(word) - 1);
  }
  template <typename... Labels>
  void set(std::uint64_t value, Metric metric, Labels... labels) noexcept {
    put(words_[place(metric, labels...)], value);
  }
  // Into a histogram: `us` microseconds; a time before 0, by clocks that differ, counts as 0.
  template <typename... Labels>
  void observe(std::int64_t us, Metric metric, Labels... labels) noexcept {
    MetricWord* const series = words_ + place(metric, labels...);
    const std::uint64_t value = us < 0 ? 0 : static_cast<std::uint64_t>(us);
    std::size_t bucket = 0;
    while (bucket < kBucketCount - 1 && value > kBucketBounds[bucket]) {
      ++bucket;
    }
    put(series[bucket], get(series[bucket]) + 1);
    put(series[kBucketCount], get(series[kBucketCount]) + value);
  }

 private:
  template <typename... Labels>
  static constexpr std::size_t place(Metric metric, Labels... labels) noexcept {
    static_assert((std::is_enum_v<Labels> && ...), "a label is one of the enums in labels.hpp and reasons.hpp");
    return word_of(metric, static_cast<std::size_t>(labels)...);
  }
  static std::uint64_t get(const MetricWord& word) noexcept { return word.load(std::memory_order_relaxed); }
  static void put(MetricWord& word, std::uint64_t value) noexcept { word.store(value, std::memory_order_relaxed); }

  MetricWord* words_;
};

}  // namespace pgevents
