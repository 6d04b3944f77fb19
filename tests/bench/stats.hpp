// The counts of all subscribers of a run together, and the check of one subscriber's sequence.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "histogram.hpp"

namespace bench {

struct Stats {
  std::uint64_t opened = 0;               // subscribers that wait for events
  std::uint64_t events = 0;               // deliveries, those of the warm-up too
  std::int64_t first_us = 0;              // the first one's time
  std::uint64_t responses = 0;            // long poll: answers
  std::uint64_t bytes = 0;                // received
  std::uint64_t reads = 0;                // recv() calls that returned data
  std::uint64_t missing = 0;              // sequence numbers skipped (and not delivered later)
  std::uint64_t before_first = 0;         // long poll: published before the subscriber's request was served
  std::uint64_t duplicates = 0;           // delivered again
  std::uint64_t reordered = 0;            // delivered after a later one
  std::uint64_t closed = 0;               // connections that the server ended
  std::uint64_t bad_answers = 0;          // wrong status or not HTTP
  std::int64_t measure_from = INT64_MAX;  // delays count for events published from this time on
  std::int64_t late_from = INT64_MAX;     // and for `late_delay` from this one
  Histogram delay;                        // publisher's send to the subscriber's read
  Histogram late_delay;                   // the same for the last events, to see whether it grows
  Histogram commit_delay;                 // the event's `ts` to the subscriber's read, if the event has one
  std::vector<std::int64_t> probe;        // when the first subscriber of their channel got the events, by index
};

// Follows the sequence numbers 1, 2, 3, … of one channel at one subscriber.
class Sequence {
 public:
  void note(std::uint32_t n, Stats& stats) {
    if (n > last_) {
      stats.missing += n - last_ - 1;
      for (std::uint32_t skipped = last_ + 1; skipped < n; ++skipped) skipped_.insert(skipped);
      last_ = n;
    } else if (skipped_.erase(n) == 1) {
      --stats.missing;
      ++stats.reordered;
    } else {
      ++stats.duplicates;
    }
  }
  // The next number counts as the first one that this subscriber could receive.
  void start_at(std::uint32_t n, Stats& stats) {
    stats.before_first += n - 1;
    last_ = n - 1;
  }
  std::uint32_t last() const { return last_; }

 private:
  std::set<std::uint32_t> skipped_;  // and not delivered later
  std::uint32_t last_ = 0;
};

}  // namespace bench
