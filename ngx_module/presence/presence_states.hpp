// A realm's whole presence for all who ask for it at the same time: one statement, of which each gets a copy. Only a statement whose
// snapshot is still to be taken can be joined, so nobody gets a state older than the question. One is under way for each realm and form
// of the answer; who comes meanwhile waits for the next.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// A request that waits for a state.
struct StateWaiter {
  // Called at most once; does not throw. cancel() drops it.
  std::function<void(const Answer&)> done;
  void cancel() noexcept { done = nullptr; }
};

class PresenceStates {
 public:
  PresenceStates(QueryPool& pool, ngx_log_t* log) : pool_(pool), log_(log) {}
  ~PresenceStates();

  // `wanted` is what the database put into the answer, see AnswerInParts. False when too much waits already: the answer is 503.
  bool add(const std::string& wanted, std::shared_ptr<StateWaiter> waiter);

 private:
  using Waiters = std::vector<std::shared_ptr<StateWaiter>>;
  struct Job {
    std::shared_ptr<Query> query;
    Waiters waiting;  // for `query`
    Waiters next;     // for the one behind it
  };
  using Jobs = std::map<std::string, Job>;

  bool start(Jobs::iterator job);
  void answered(const std::string& wanted, const QueryResult& result) noexcept;

  QueryPool& pool_;
  ngx_log_t* log_;
  Jobs jobs_;
};

}  // namespace pgevents::nginx
