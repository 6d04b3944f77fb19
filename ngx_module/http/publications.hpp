// Publications through HTTP, gathered: while one transaction publishes, those that arrive wait, and the next
// transaction publishes them together. Under a light load each is published at once and alone; under a heavy load one
// flush of the database's disk serves many. One object for each worker.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// One publication that waits for its answer.
struct WaitingPublication {
  postgres::Params params;  // of sql::kPublish
  // Called at most once, unless cancelled; does not throw.
  std::function<void(const Answer&)> done;
  std::shared_ptr<Query> query;  // its own statement, if it is not part of a transaction with others

  // It is not published any more if it still waits.
  void cancel() noexcept;
};

class Publications {
 public:
  Publications(QueryPool& pool, ngx_log_t* log);
  ~Publications();
  Publications(const Publications&) = delete;
  Publications& operator=(const Publications&) = delete;

  // The answer may come before this returns. False if too many wait already: the answer is 503.
  bool add(std::shared_ptr<WaitingPublication> publication);

 private:
  using Batch = std::list<std::shared_ptr<WaitingPublication>>;

  // As many as the pool's queue for publishing takes.
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr std::size_t kMaxWaitingBytes = 64 * 1024 * 1024;
  // A batch has at most so many publications and so many bytes, but at least one publication.
  static constexpr std::size_t kMaxBatch = 200;
  static constexpr std::size_t kMaxBatchBytes = 256 * 1024;
  // A transaction that takes longer, for instance on a connection that hangs, no longer keeps the others waiting, as
  // long as the pool has another connection.
  static constexpr ngx_msec_t kPatience = 250;

  static void on_patience(ngx_event_t* event);

  bool gathers() const noexcept;
  bool has_room_for(std::size_t bytes) noexcept;
  void drop_cancelled() noexcept;
  void show() noexcept { pool_.set_gathered(waiting_.size()); }
  Batch take_batch() noexcept;
  bool may_send() noexcept;
  void send_next() noexcept;
  bool send(Batch& batch, std::uint64_t number);
  void ended(std::uint64_t number) noexcept;
  void answered(const Batch& batch, const QueryResult& result) noexcept;
  bool publish_alone(const std::shared_ptr<WaitingPublication>& publication) noexcept;

  QueryPool& pool_;
  ngx_log_t* log_;
  Batch waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t newest_ = 0;   // the number of the newest batch
  std::size_t under_way_ = 0;  // batches
  bool newest_runs_ = false;   // it is under way
  bool sending_ = false;       // in send_next()
  ngx_msec_t newest_sent_at_ = 0;
  ngx_event_t patience_{};
};

}  // namespace pgevents::nginx
