// Reports of presence of many users, written together: while one batch is with the database the next one gathers. Under a light load
// each report goes at once and alone; under a heavy one a commit serves hundreds.
#pragma once

#include "nginx.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "query_pool.hpp"

namespace pgevents::nginx {

// One report that waits for its answer.
struct Report {
  std::string request;  // JSON {"identity":…,"params":…}
  std::function<void(const Answer&)>
      done;  // called at most once; cancel() drops it, the report is written all the same
  void cancel() noexcept { done = nullptr; }
};

class Reports {
 public:
  explicit Reports(QueryPool& pool) : pool_(pool) {}

  // False when too many wait already: the answer is 503.
  bool add(std::shared_ptr<Report> report);

 private:
  using Batch = std::vector<std::shared_ptr<Report>>;

  static constexpr std::size_t kMaxWaiting = 8192;
  static constexpr std::size_t kMaxBatch = 500;

  void send();
  void answered(const QueryResult& result);

  QueryPool& pool_;
  std::deque<std::shared_ptr<Report>> waiting_;
  Batch sent_;
  std::shared_ptr<Query> query_;  // null: no batch is with the database
};

}  // namespace pgevents::nginx
