// Reports of presence of many users, written together: while the database writes one batch, the next one gathers. Under
// a light load each report is sent at once and alone; under a heavy load one commit serves hundreds.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// One report that waits for its answer.
struct Report {
  std::string request;  // JSON {"identity":…,"params":…}
  // Called at most once, unless cancelled; does not throw. A cancelled report is written all the same.
  std::function<void(const Answer&)> done;
  void cancel() noexcept { done = nullptr; }
};

class Reports {
 public:
  Reports(QueryPool& pool, ngx_log_t* log) : pool_(pool), log_(log) {}

  // False if too many wait already: the answer is 503.
  bool add(std::shared_ptr<Report> report);

 private:
  using Batch = std::list<std::shared_ptr<Report>>;

  static constexpr std::size_t kMaxWaiting = 8192;
  static constexpr std::size_t kMaxWaitingBytes = 16 * 1024 * 1024;
  // A batch has at most so many reports and so many bytes, but at least one report.
  static constexpr std::size_t kMaxBatch = 500;
  static constexpr std::size_t kMaxBatchBytes = 256 * 1024;

  void take_batch() noexcept;
  void send_next() noexcept;
  void send();
  void answered(const QueryResult& result) noexcept;

  QueryPool& pool_;
  ngx_log_t* log_;
  Batch waiting_;
  std::size_t waiting_bytes_ = 0;
  Batch sent_;
  bool busy_ = false;  // a batch is under way, or being answered
};

}  // namespace pgevents::nginx
