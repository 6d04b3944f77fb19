// See name_lookup.hpp.
#include "fcgi_fallback/name_lookup.hpp"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

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

struct NameLookup::Task {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;  // from then on the thread no longer touches `answers`
  std::vector<std::string> names;
  std::vector<postgres::HostAnswer> answers;
};

// The process may end while the thread still waits for a name server.
std::shared_ptr<NameLookup::Task> NameLookup::start(const std::vector<std::string>& names) {
  auto task = std::make_shared<Task>();
  task->names = names;
  task->answers.resize(names.size());
  std::thread([task] {
    for (std::size_t i = 0; i < task->names.size(); ++i) {
      task->answers[i].look_up(task->names[i].c_str());
    }
    const std::lock_guard<std::mutex> lock(task->mutex);
    task->done = true;
    task->changed.notify_one();
  }).detach();
  return task;
}

postgres::Addresses NameLookup::find(const std::vector<std::string>& names, std::chrono::milliseconds patience) {
  if (names.empty()) {
    return {};
  }
  if (task_ == nullptr) {
    try {
      task_ = start(names);
    } catch (const std::system_error&) {
      return without_answer(names, "no thread can be started for the lookup of the host");
    }
  }
  {
    std::unique_lock<std::mutex> lock(task_->mutex);
    if (!task_->changed.wait_for(lock, patience, [this] { return task_->done; })) {
      return without_answer(names, "the lookup of the host takes too long");
    }
  }
  const std::shared_ptr<Task> task = std::move(task_);
  task_ = nullptr;
  postgres::Addresses answers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    answers.push_back(task->answers[i].addresses_of(names[i]));
  }
  return answers;
}

}  // namespace pgevents::fallback
