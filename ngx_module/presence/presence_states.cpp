// See presence_states.hpp.
#include "ngx_module/presence/presence_states.hpp"

#include "core/wire/sql.hpp"

namespace pgevents::nginx {
namespace {

void tell(const std::vector<std::shared_ptr<StateWaiter>>& waiters, const Answer& answer) noexcept {
  for (const auto& waiter : waiters) {
    if (waiter->done) {
      const auto done = std::exchange(waiter->done, nullptr);
      done(answer);
    }
  }
}

}  // namespace

PresenceStates::~PresenceStates() {
  for (auto& [wanted, job] : jobs_) {
    job.query->cancel();
  }
}

bool PresenceStates::add(const std::string& wanted, std::shared_ptr<StateWaiter> waiter) {
  const auto [job, is_new] = jobs_.try_emplace(wanted);
  if (!is_new) {
    Waiters& waiters = job->second.query->sent ? job->second.next : job->second.waiting;
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
  auto query = std::make_shared<Query>();
  query->statement = {sql::kPresenceState, {job->first}};
  query->lane = Lane::kPresence;
  query->done = [this, wanted = job->first](const QueryResult& result) { answered(wanted, result); };
  job->second.query = query;
  return pool_.run(std::move(query));
}

// The next statement is under way before anybody is told: who is told may ask again.
void PresenceStates::answered(const std::string& wanted, const QueryResult& result) noexcept {
  const auto job = jobs_.find(wanted);
  if (job == jobs_.end()) {
    return;
  }
  Waiters done, refused;
  done.swap(job->second.waiting);
  job->second.waiting.swap(job->second.next);
  if (job->second.waiting.empty()) {
    jobs_.erase(job);
  } else if (!guarded(log_, false, [this, job] { return start(job); })) {
    refused.swap(job->second.waiting);
    jobs_.erase(job);
  }
  tell(done, answer_of(result));
  tell(refused, answer_of({}));
}

}  // namespace pgevents::nginx
