// See presence_states.hpp.
#include "ngx_module/presence/presence_states.hpp"

#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

void answer_all(const std::vector<std::shared_ptr<StateWaiter>>& waiters, const Answer& answer) noexcept {
  for (const auto& waiter : waiters) {
    if (waiter->done) {
      const auto done = std::exchange(waiter->done, nullptr);
      done(answer);
    }
  }
}

}  // namespace

bool PresenceStates::add(const std::string& wanted, std::shared_ptr<StateWaiter> waiter) {
  const auto [job, is_new] = jobs_.try_emplace(wanted);
  if (!is_new) {
    Waiters& waiters = job->second.query.sent() ? job->second.next : job->second.waiting;
    waiters.push_back(std::move(waiter));
    return true;
  }
  const bool runs = guarded(log_, false, [&, job = job] {
    job->second.waiting.push_back(std::move(waiter));
    return start(job);
  });
  if (!runs) {
    jobs_.erase(wanted);
  }
  return runs;
}

// The database may be away, and the job gone, before this returns true.
bool PresenceStates::start(Jobs::iterator job) {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: presence state asked for %uz requests",
                 job->second.waiting.size());
  return pool_.run(
      {sql::kPresenceState, {job->first}}, Lane::kPresence,
      [this, wanted = job->first](const QueryResult& result) { answered(wanted, result); }, job->second.query);
}

// The next statement starts before the waiters get their answers, because a waiter may ask again.
void PresenceStates::answered(const std::string& wanted, const QueryResult& result) noexcept {
  const auto job = jobs_.find(wanted);
  if (job == jobs_.end()) {
    return;
  }
  Waiters done;
  Waiters rejected;
  done.swap(job->second.waiting);
  job->second.waiting.swap(job->second.next);
  if (job->second.waiting.empty()) {
    jobs_.erase(job);
  } else if (!guarded(log_, false, [this, job] { return start(job); })) {
    rejected.swap(job->second.waiting);
    jobs_.erase(job);
  }
  answer_all(done, answer_of(result));
  answer_all(rejected, answer_of({}));
}

}  // namespace pgevents::nginx
