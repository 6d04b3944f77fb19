// Publishing side of the load generator: several connections, so that a slow answer does not delay the next event. An
// event that finds all of them busy waits in a queue; its time stamp, already in the data, includes the wait.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "histogram.hpp"
#include "loop.hpp"

namespace bench {

struct Publication {
  std::string channel;
  std::string data;          // JSON text
  std::uint64_t index = 0;   // its number in the run
  std::int64_t made_us = 0;  // when it was due
};

using Batch = std::vector<Publication>;

// One connection that publishes one batch at a time.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // The events under way: several only if one transaction takes them.
  virtual void publish() = 0;

  bool idle() const { return under_way.empty(); }
  Batch under_way;
  std::int64_t started_us = 0;
};

class PublisherPool {
 public:
  // `batch`: the most waiting events that one transaction takes.
  explicit PublisherPool(std::uint32_t batch) : batch_(batch) {}
  void add(std::unique_ptr<Publisher> publisher) { publishers_.push_back(std::move(publisher)); }

  void publish(Publication publication) {
    waiting_.push_back(std::move(publication));
    pump();
  }
  void publish(Batch batch) {
    waiting_.insert(waiting_.end(), std::move_iterator(batch.begin()), std::move_iterator(batch.end()));
    pump();
  }

  // Publishers call it when their batch is confirmed: answered or committed.
  void on_done(Publisher& publisher) {
    const std::int64_t now = wall_us();
    ++batches_;
    acknowledged_ += publisher.under_way.size();
    took_us_ += now - publisher.started_us;
    for (const Publication& publication : publisher.under_way) confirm(publication, now);
    publisher.under_way.clear();
    pump();
  }

  // When the events were confirmed, by index; 0: not yet.
  const std::vector<std::int64_t>& confirmed_at() const { return confirmed_at_; }

  // From when an event was due to its confirmation, for those that were due from `from` on: so the wait for a free
  // connection counts.
  void measure_from(std::int64_t from) { measure_from_ = from; }
  const Histogram& publish_delay() const { return publish_delay_; }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::size_t longest_queue() const { return longest_queue_; }
  std::uint64_t batches() const { return batches_; }
  std::int64_t mean_us() const { return batches_ == 0 ? 0 : took_us_ / static_cast<std::int64_t>(batches_); }

 private:
  void confirm(const Publication& publication, std::int64_t now) {
    if (confirmed_at_.size() <= publication.index) confirmed_at_.resize(publication.index + 1);
    confirmed_at_[publication.index] = now;
    if (publication.made_us >= measure_from_) publish_delay_.add(now - publication.made_us);
  }

  void pump() {
    for (const auto& publisher : publishers_) {
      if (waiting_.empty()) return;
      if (!publisher->idle()) continue;
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(batch_, waiting_.size()));
      publisher->under_way.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
      publisher->started_us = wall_us();
      publisher->publish();
    }
    if (waiting_.size() > longest_queue_) longest_queue_ = waiting_.size();
  }

  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::deque<Publication> waiting_;
  std::vector<std::int64_t> confirmed_at_;
  std::int64_t measure_from_ = INT64_MAX;
  Histogram publish_delay_;
  std::uint32_t batch_;
  std::uint64_t batches_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::int64_t took_us_ = 0;
  std::size_t longest_queue_ = 0;
};

}  // namespace bench
