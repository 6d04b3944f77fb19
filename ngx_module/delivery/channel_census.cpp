// See channel_census.hpp. A process that is killed or stopped meanwhile costs the others a second at most: the dead do
// not count as silent, and the lease on the question runs out.
#include "ngx_module/delivery/channel_census.hpp"

#include <utility>

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kInterval = 10;               // between two looks at the answers
constexpr ngx_msec_t kAnswerTime = 1'000;          // then processes that have not answered are silent
constexpr ngx_msec_t kPatience = 5'000;            // as long a question waits for its turn
constexpr std::int64_t kLeaseTtl = 3'000;          // more than a question takes
constexpr std::size_t kMaxWaiting = 64;            // questions of this process
constexpr std::uint64_t kAnswersAll = UINT64_MAX;  // as number of an answer: the process has no subscribers any more

}  // namespace

ChannelCensus::Question::~Question() {
  if (census_ != nullptr) {
    census_->forget(*this);
  }
}

ChannelCensus::ChannelCensus(SharedRoot& root, const MetricsSlot& slot, std::uint64_t self,
                             std::function<std::size_t(std::uint64_t)> count, std::function<void()> wake,
                             ngx_log_t* log)
    : shared_(root.question), slot_(slot), self_(self), count_(std::move(count)), wake_(std::move(wake)), log_(log) {
  init_timer(timer_, this, &ChannelCensus::on_timer, log);
  timer_.cancelable = 0;  // a request waits for it
}

ChannelCensus::~ChannelCensus() {
  stop_timer(timer_);
  for (Question* question : waiting_) {
    question->census_ = nullptr;
  }
}

// --- the answer ---

void ChannelCensus::start() noexcept {
  seen_ = shared_.number.load(std::memory_order_acquire);
  if (slot_.index()) {
    SharedQuestion::Answer& answer = shared_.answers[*slot_.index()];
    answer.subscribers.store(0, std::memory_order_relaxed);
    answer.number.store(seen_, std::memory_order_release);
  }
}

// The number is read again: a question must not get the answer to the next one.
void ChannelCensus::look() noexcept {
  std::uint64_t number = shared_.number.load(std::memory_order_acquire);
  while (number != seen_) {
    const std::uint64_t hash = shared_.hash.load(std::memory_order_acquire);
    seen_ = number;
    number = shared_.number.load(std::memory_order_acquire);
    if (number == seen_ && slot_.index()) {
      SharedQuestion::Answer& answer = shared_.answers[*slot_.index()];
      if (answer.number.load(std::memory_order_relaxed) != kAnswersAll) {
        answer.subscribers.store(count_(hash), std::memory_order_relaxed);
        answer.number.store(number, std::memory_order_release);
      }
    }
  }
}

// --- the question ---

bool ChannelCensus::ask(Question& question, std::uint64_t hash) {
  if (waiting_.size() >= kMaxWaiting) {
    return false;
  }
  waiting_.push_back(&question);
  question.census_ = this;
  question.hash_ = hash;
  question.since_ = ngx_current_msec;
  if (!timer_.timer_set) {
    ngx_add_timer(&timer_, 1);
  }
  return true;
}

void ChannelCensus::on_timer(ngx_event_t* event) {
  auto* self = static_cast<ChannelCensus*>(event->data);
  self->go_on();
}

void ChannelCensus::go_on() noexcept {
  Result result;
  while (!waiting_.empty() && turn_is_over(*waiting_.front(), result)) {
    finish(*waiting_.front(), result);
  }
  if (!waiting_.empty() && !timer_.timer_set) {
    ngx_add_timer(&timer_, kInterval);
  }
}

// Whether the question has its result. If not, it waits.
bool ChannelCensus::turn_is_over(Question& question, Result& result) noexcept {
  const ngx_msec_t waited = ngx_current_msec - question.since_;
  if (question.number_ == 0 && !post(question, ngx_current_msec)) {
    result = tally(0);  // no process has answered
    return waited >= kPatience;
  }
  result = tally(question.number_);
  return result.silent == 0 || ngx_current_msec - question.since_ >= kAnswerTime;
}

// False if another process asks at present.
bool ChannelCensus::post(Question& question, ngx_msec_t now) noexcept {
  if (!shared_.asker.try_acquire(self_, static_cast<std::int64_t>(now), kLeaseTtl)) {
    return false;
  }
  shared_.hash.store(question.hash_, std::memory_order_release);
  question.number_ = shared_.number.fetch_add(1, std::memory_order_acq_rel) + 1;
  question.since_ = now;
  look();
  guarded(log_, wake_);
  return true;
}

ChannelCensus::Result ChannelCensus::tally(std::uint64_t number) const noexcept {
  Result result;
  for (std::size_t i = 0; i < slot_.all().size(); ++i) {
    const std::uint64_t owner = slot_.all().owner(i);
    if (owner == 0 || owner_is_dead(owner)) {
      continue;
    }
    const SharedQuestion::Answer& answer = shared_.answers[i];
    const std::uint64_t answered = answer.number.load(std::memory_order_acquire);
    if (answered == number && number != 0) {
      result.subscribers += answer.subscribers.load(std::memory_order_relaxed);
    } else if (answered != kAnswersAll) {
      ++result.silent;
    }
  }
  return result;
}

void ChannelCensus::finish(Question& question, const Result& result) noexcept {
  const auto done = std::move(question.done_);
  forget(question);
  guarded(log_, [&] { done(result); });
}

void ChannelCensus::forget(Question& question) noexcept {
  waiting_.remove(&question);
  question.census_ = nullptr;
  if (question.number_ != 0) {
    shared_.asker.release(self_);
  }
}

void ChannelCensus::shut_down() noexcept {
  if (slot_.index()) {
    shared_.answers[*slot_.index()].number.store(kAnswersAll, std::memory_order_release);
  }
  while (!waiting_.empty()) {
    finish(*waiting_.front(), tally(waiting_.front()->number_));
  }
  stop_timer(timer_);
}

}  // namespace pgevents::nginx
