// A histogram of durations in microseconds with a fixed relative error (below 0.8 %), for percentiles of millions of
// samples without keeping them. Buckets: 0..127 exact, then 64 per power of two.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  // Negative durations (clock steps) count as zero.
  void add(std::int64_t us) {
    const std::uint64_t value = us < 0 ? 0 : static_cast<std::uint64_t>(us);
    ++buckets_[std::min(index_of(value), kBuckets - 1)];
    ++count_;
    max_ = std::max(max_, value);
  }

  void clear() { *this = Histogram{}; }
  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }

  // Calls `visit(upper end, samples)` for each bucket that has some: another process can add them up.
  template <typename Visitor>
  void each(const Visitor& visit) const {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (buckets_[i] > 0) visit(std::min(value_of(i), max_), buckets_[i]);
    }
  }

  // The smallest bucket value that at least `share` (0..1) of the samples do not exceed; 0 without samples.
  std::uint64_t percentile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen > 0 && seen >= wanted) return std::min(value_of(i), max_);
    }
    return max_;
  }

 private:
  static constexpr std::size_t kBuckets = 128 + 64 * 40;

  static std::size_t index_of(std::uint64_t value) {
    if (value < 128) return static_cast<std::size_t>(value);
    const int shift = 63 - __builtin_clzll(value) - 6;
    return 64 * static_cast<std::size_t>(shift) + static_cast<std::size_t>(value >> shift);
  }
  // Upper end of bucket `i`, the inverse of index_of.
  static std::uint64_t value_of(std::size_t i) {
    if (i < 128) return i;
    const std::size_t shift = i / 64 - 1;
    return ((static_cast<std::uint64_t>(i % 64) + 65) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace bench
