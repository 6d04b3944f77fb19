// The statements that wait for a connection of the pool: a bounded queue for each lane, and which of them is next.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <list>
#include <memory>

#include "core/metrics/metrics.hpp"
#include "ngx_module/postgres/query.hpp"

namespace pgevents::nginx {

// Where the metrics show a pool.
struct PoolMetrics {
  Metric connections;
  Metric queue;
  Metric slow;
  Metric rejected;
};
inline constexpr PoolMetrics kDatabaseMetrics{Metric::kPoolConnections, Metric::kPoolQueue, Metric::kPoolSlow,
                                              Metric::kPoolRejected};
inline constexpr PoolMetrics kPrimaryMetrics{Metric::kPrimaryConnections, Metric::kPrimaryQueue, Metric::kPrimarySlow,
                                             Metric::kPrimaryRejected};

class QueryQueues {
 public:
  // `shown`: the metric that shows how many wait.
  QueryQueues(Metrics& metrics, Metric shown) : metrics_(metrics), shown_(shown) {}

  // Whether the queue of its lane takes this query; push() does not ask.
  bool has_room_for(const Query& query) noexcept;
  void push(std::shared_ptr<Query> query);
  // It has waited already: to the head of its queue.
  void push_first(const std::shared_ptr<Query>& query);

  bool empty() const noexcept;
  // How many have waited since before that time; cancelled ones do not count.
  std::size_t asked_before(ngx_msec_t before) const noexcept;
  // Whether a query may start now; `presence`: one of that lane, too. Then take() gives it.
  bool has_next(bool presence) noexcept { return next(presence) != nullptr; }
  std::shared_ptr<Query> take(bool presence) noexcept;

  // How many wait outside of the queues, to be counted with those in them.
  void set_gathered(std::size_t count) noexcept {
    gathered_ = count;
    show();
  }

  // All of them; the queues are empty then.
  std::list<std::shared_ptr<Query>> take_all() noexcept;
  void drop_cancelled() noexcept;

 private:
  struct Queue {
    std::list<std::shared_ptr<Query>> waiting;
    std::size_t bytes = 0;  // of their parameters
    std::size_t max_bytes;
  };
  static constexpr std::size_t kMaxQueue = 1024;
  static constexpr std::size_t kMaxEventBytes = 64 * 1024 * 1024;
  static constexpr std::size_t kMaxPresenceBytes = 16 * 1024 * 1024;
  // A waiting statement about presence lets at most so many of the other lanes go first.
  static constexpr unsigned kMaxPassedOver = 8;

  Queue& queue_of(const Query& query) noexcept;
  void drop_cancelled(Queue& queue) noexcept;
  Queue* next(bool presence) noexcept;
  Queue* next_of_events() noexcept;
  std::shared_ptr<Query> pop(Queue& queue) noexcept;
  void show() noexcept;

  Metrics& metrics_;
  const Metric shown_;
  Queue publish_{{}, 0, kMaxEventBytes};
  Queue catchup_{{}, 0, kMaxEventBytes};
  Queue presence_{{}, 0, kMaxPresenceBytes};
  // Publishing and catch-up take turns, so that neither waits for the other's whole queue.
  bool published_last_ = false;
  std::size_t gathered_ = 0;
  unsigned passed_over_ = 0;  // how many of these went before the waiting statement about presence
};

}  // namespace pgevents::nginx
