// Publishing side of the load generator: several connections, so that a slow answer does not delay the next event.
// What finds all of them busy waits in a queue; its time stamp, already in the data, tells of the wait.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct Publication {
  std::string channel;
  std::string data;  // JSON text
};

// One connection that publishes one event at a time.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual bool idle() const = 0;
  virtual void publish(const Publication& publication) = 0;
};

class PublisherPool {
 public:
  void add(std::unique_ptr<Publisher> publisher) { publishers_.push_back(std::move(publisher)); }

  void publish(Publication publication) {
    waiting_.push_back(std::move(publication));
    pump();
  }

  // To be called by publishers when they become idle.
  void on_done(std::int64_t took_us) {
    ++acknowledged_;
    took_us_ += took_us;
    pump();
  }

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
      publisher->publish(next);
    }
    if (waiting_.size() > longest_queue_) longest_queue_ = waiting_.size();
  }

  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::deque<Publication> waiting_;
  std::uint64_t acknowledged_ = 0;
  std::int64_t took_us_ = 0;
  std::size_t longest_queue_ = 0;
};

}  // namespace bench
