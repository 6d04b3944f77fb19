// See name_lookup.hpp.
#include "fcgi_fallback/name_lookup.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "postgres/lookup_task.hpp"

namespace pgevents::fallback {
namespace {

postgres::Addresses without_answer(const std::vector<std::string>& names, const char* why) {
  postgres::Addresses answers;
  for (const std::string& name : names) {
    answers.push_back({name, {}, why, true});
  }
  return answers;
}

}  // namespace

struct NameLookup::Task final : postgres::LookupTask {
  using LookupTask::LookupTask;
  void announce() noexcept override {
    const std::lock_guard<std::mutex> lock(mutex);
    changed.notify_one();
  }

  std::mutex mutex;
  std::condition_variable changed;
};

postgres::Addresses NameLookup::find(const std::vector<std::string>& names, std::chrono::milliseconds patience) {
  if (names.empty()) {
    return {};
  }
  if (task_ == nullptr) {
    auto task = std::make_shared<Task>(names);
    if (!postgres::LookupTask::start(task)) {
      return without_answer(names, "no thread can be started for the lookup of the host");
    }
    task_ = std::move(task);
  }
  {
    std::unique_lock<std::mutex> lock(task_->mutex);
    if (!task_->changed.wait_for(lock, patience, [this] { return task_->done(); })) {
      return without_answer(names, "the lookup of the host takes too long");
    }
  }
  return std::exchange(task_, nullptr)->addresses();
}

}  // namespace pgevents::fallback
