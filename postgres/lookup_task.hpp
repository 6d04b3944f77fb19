// One lookup of host names in a thread of its own, because getaddrinfo() blocks, for half a minute when name servers
// are away. The thread shares nothing with the program but its task, which both keep alive: the program may forget the
// lookup, or end, at any time. Module and fallback derive how they notice that it is done.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "postgres/hosts.hpp"

namespace pgevents::postgres {

class LookupTask {
 public:
  explicit LookupTask(std::vector<std::string> names) : names_(std::move(names)), answers_(names_.size()) {}
  virtual ~LookupTask() = default;
  LookupTask(const LookupTask&) = delete;
  LookupTask& operator=(const LookupTask&) = delete;

  // False if no thread can be started. The thread blocks every signal: handlers run in the program's own thread. Throws
  // if memory is refused.
  static bool start(const std::shared_ptr<LookupTask>& task);

  bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  // An entry for each name; only when it is done().
  Addresses addresses() const;

 private:
  static void* run(void* argument) noexcept;
  // Called by the thread when it is done(). Takes no memory: see HostAnswer::look_up().
  virtual void announce() noexcept = 0;

  const std::vector<std::string> names_;
  std::vector<HostAnswer> answers_;  // one for each name; until done_ only the thread touches them
  std::atomic<bool> done_{false};
};

}  // namespace pgevents::postgres
