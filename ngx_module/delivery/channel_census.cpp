// See channel_census.hpp. A process that is killed or stopped meanwhile costs the others a second or two: the dead do
// not count as silent, and the lease on the census runs out.
#include "ngx_module/delivery/channel_census.hpp"

#include <algorithm>
#include <utility>

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kInterval = 10;               // between two looks at the answers
constexpr ngx_msec_t kAnswerTime = 1'000;          // then processes that have not answered are silent
constexpr ngx_msec_t kPatience = 3'000;            // so long a question waits for its turn
constexpr std::int64_t kLeaseTtl = 2'000;          // more than a census takes
constexpr std::int64_t kUncountedTime = 5'000;     // a process without a slot says so every second
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
  look();
}

// The number is read again: a question must not get the answer to the next one.
void ChannelCensus::look() noexcept {
  if (!slot_.index()) {
    shared_.uncounted_ms.store(static_cast<std::int64_t>(ngx_current_msec), std::memory_order_relaxed);
  }
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
  question.number_ = 0;
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
  do {
    end_census();
    give_up();
  } while (number_ == 0 && begin_census());
  if (!waiting_.empty() && !timer_.timer_set) {
    ngx_add_timer(&timer_, kInterval);
  }
}

// Counts for the first question, and for all others about the same channel. False if none waits, or another process
// counts at present.
bool ChannelCensus::begin_census() noexcept {
  const ngx_msec_t now = ngx_current_msec;
  if (waiting_.empty() || !shared_.asker.try_acquire(self_, static_cast<std::int64_t>(now), kLeaseTtl)) {
    return false;
  }
  const std::uint64_t hash = waiting_.front()->hash_;
  shared_.hash.store(hash, std::memory_order_release);
  number_ = shared_.number.fetch_add(1, std::memory_order_acq_rel) + 1;
  began_ = now;
  for (Question* question : waiting_) {
    question->number_ = question->hash_ == hash ? number_ : 0;
  }
  look();
  guarded(log_, wake_);
  return true;
}

// Answers the questions of the census under way when all processes have answered, or the time for that is over.
void ChannelCensus::end_census() noexcept {
  if (number_ == 0) {
    return;
  }
  const Result result = tally(number_);
  if (result.silent == 0 || ngx_current_msec - began_ >= kAnswerTime) {
    const std::uint64_t number = std::exchange(number_, 0);
    shared_.asker.release(self_);
    finish_all(result, [number](const Question* question) { return question->number_ == number; });
  }
}

// Answers the questions that have waited for their turn too long: no process was asked.
void ChannelCensus::give_up() noexcept {
  const ngx_msec_t now = ngx_current_msec;
  const auto too_long = [now](const Question* question) {
    return question->number_ == 0 && now - question->since_ >= kPatience;
  };
  if (std::any_of(waiting_.begin(), waiting_.end(), too_long)) {
    finish_all(tally(0), too_long);
  }
}

// What is known of the census with this number; 0: none. Processes without a slot count as a silent one.
ChannelCensus::Result ChannelCensus::tally(std::uint64_t number) const noexcept {
  Result result;
  const std::int64_t uncounted = shared_.uncounted_ms.load(std::memory_order_relaxed);
  if (uncounted != 0 && static_cast<std::int64_t>(ngx_current_msec) - uncounted < kUncountedTime) {
    ++result.silent;
  }
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

// Answering one question may end others.
template <typename Which>
void ChannelCensus::finish_all(const Result& result, Which which) noexcept {
  const auto next = [&] { return std::find_if(waiting_.begin(), waiting_.end(), which); };
  for (auto at = next(); at != waiting_.end(); at = next()) {
    const auto done = std::move((*at)->done_);
    forget(**at);
    guarded(log_, [&] { done(result); });
  }
}

// The last one that leaves a census ends it.
void ChannelCensus::forget(Question& question) noexcept {
  waiting_.remove(&question);
  question.census_ = nullptr;
  const auto shares = [this](const Question* other) { return other->number_ == number_; };
  if (number_ != 0 && std::none_of(waiting_.begin(), waiting_.end(), shares)) {
    number_ = 0;
    shared_.asker.release(self_);
  }
}

void ChannelCensus::shut_down() noexcept {
  if (slot_.index()) {
    shared_.answers[*slot_.index()].number.store(kAnswersAll, std::memory_order_release);
  }
  const std::uint64_t number = number_;
  if (number != 0) {
    finish_all(tally(number), [number](const Question* question) { return question->number_ == number; });
  }
  finish_all(tally(0), [](const Question*) { return true; });
  stop_timer(timer_);
}

}  // namespace pgevents::nginx
