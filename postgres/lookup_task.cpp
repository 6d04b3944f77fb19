// See lookup_task.hpp.
#include "postgres/lookup_task.hpp"

#include <pthread.h>

#include <csignal>
#include <cstddef>

namespace pgevents::postgres {
namespace {

int start_detached(void* (*body)(void*), void* argument) noexcept {
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) {
    return error;
  }
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread{};
  const int error = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

bool LookupTask::start(const std::shared_ptr<LookupTask>& task) {
  auto argument = std::make_unique<std::shared_ptr<LookupTask>>(task);
  if (start_detached(&LookupTask::run, argument.get()) != 0) {
    return false;
  }
  argument.release();  // NOLINT(bugprone-unused-return-value): the thread owns it
  return true;
}

void* LookupTask::run(void* argument) noexcept {
  const std::unique_ptr<std::shared_ptr<LookupTask>> owned(static_cast<std::shared_ptr<LookupTask>*>(argument));
  LookupTask& task = **owned;
  for (std::size_t i = 0; i < task.names_.size(); ++i) {
    task.answers_[i].look_up(task.names_[i].c_str());
  }
  task.done_.store(true, std::memory_order_release);
  task.announce();
  return nullptr;
}

Addresses LookupTask::addresses() const {
  Addresses addresses;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    addresses.push_back(answers_[i].addresses_of(names_[i]));
  }
  return addresses;
}

}  // namespace pgevents::postgres
