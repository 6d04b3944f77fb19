// Publishing side of the load generator: several connections, so that a slow answer does not delay the next event.
// What finds all of them busy waits in a queue; its time stamp, already in the data, tells of the wait.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop.hpp"

namespace bench {

struct Publication {
  std::string channel;
  std::string data;            // JSON text
  std::uint32_t sequence = 0;  // its number in the first channel, 0 in others
};

// One connection that publishes one event at a time.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual void publish(const Publication& publication) = 0;

  bool idle() const { return started_us == 0; }
  std::int64_t started_us = 0;  // the event under way: when, and which
  std::uint32_t sequence = 0;
};

class PublisherPool {
 public:
  void add(std::unique_ptr<Publisher> publisher) { publishers_.push_back(std::move(publisher)); }

  void publish(Publication publication) {
    waiting_.push_back(std::move(publication));
    pump();
  }

  // To be called by publishers when their event is confirmed: answered, or committed.
  void on_done(Publisher& publisher) {
    const std::int64_t now = wall_us();
    ++acknowledged_;
    took_us_ += now - publisher.started_us;
    if (publisher.sequence != 0) {
      if (confirmed_at_.size() <= publisher.sequence) confirmed_at_.resize(publisher.sequence + 1);
      confirmed_at_[publisher.sequence] = now;
    }
    publisher.started_us = 0;
    pump();
  }

  // When the events of the first channel were confirmed, by sequence number; 0: not yet.
  const std::vector<std::int64_t>& confirmed_at() const { return confirmed_at_; }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::size_t longest_queue() const { return longest_queue_; }
  std::int64_t mean_us() const { return acknowledged_ == 0 ? 0 : took_us_ / static_cast<std::int64_t>(acknowledged_); }

 private:
  void pump() {
    for (const auto& publisher : publishers_) {
      if (waiting_.empty()) return;
      if (!publisher->idle()) continue;
      const Publication next = std::move(waiting_.front());
      waiting_.pop_front();
      publisher->started_us = wall_us();
      publisher->sequence = next.sequence;
      publisher->publish(next);
    }
    if (waiting_.size() > longest_queue_) longest_queue_ = waiting_.size();
  }

  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::deque<Publication> waiting_;
  std::vector<std::int64_t> confirmed_at_;
  std::uint64_t acknowledged_ = 0;
  std::int64_t took_us_ = 0;
  std::size_t longest_queue_ = 0;
};

}  // namespace bench
