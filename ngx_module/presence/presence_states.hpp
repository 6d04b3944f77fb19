// A realm's whole presence for all requests that ask for it at the same time: one statement, whose answer each of them
// gets. A request can only join a statement whose snapshot has not been taken, so no answer is older than its request.
// For each realm and form of the answer one statement is under way; requests that come meanwhile wait for the next one.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// A request that waits for a state.
struct StateWaiter {
  // Called at most once, unless cancelled; does not throw.
  std::function<void(const Answer&)> done;
  void cancel() noexcept { done = nullptr; }
};

class PresenceStates {
 public:
  PresenceStates(QueryPool& pool, ngx_log_t* log) : pool_(pool), log_(log) {}
  // `wanted` is what the database put into the answer, see AnswerInParts. False if too many statements wait already:
  // the answer is 503.
  bool add(const std::string& wanted, std::shared_ptr<StateWaiter> waiter);

 private:
  using Waiters = std::vector<std::shared_ptr<StateWaiter>>;
  struct Job {
    QueryHandle query;
    Waiters waiting;  // for `query`
    Waiters next;     // for the one after it
  };
  using Jobs = std::map<std::string, Job>;

  bool start(Jobs::iterator job);
  void answered(const std::string& wanted, const QueryResult& result) noexcept;

  QueryPool& pool_;
  ngx_log_t* log_;
  Jobs jobs_;
};

}  // namespace pgevents::nginx
