// The master; see processes.hpp. It handles no request and has no database connection, so that little can make it fail.
// It takes signals one at a time from sigtimedwait(), not in handlers.
#include "fcgi_fallback/processes.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "fcgi_fallback/log.hpp"

namespace pgevents::fallback {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMinLife{1000};  // if a worker ends sooner, the next one starts after a delay
constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kMaxDelay{5000};
constexpr milliseconds kStopPatience{10000};

sigset_t control_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD}) {
    sigaddset(&set, number);
  }
  return set;
}

// Allocates no memory: the master must go on without any.
template <typename... Values>
void log_values(const char* format, Values... values) noexcept {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  log_line(text);
}

}  // namespace

void block_signals() {
  const sigset_t set = control_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a client that went away is an error of write()
}

ProcessManager::ProcessManager(unsigned count, std::function<int(std::size_t)> work, std::function<void()> renew)
    : work_(std::move(work)), renew_(std::move(renew)), slots_(count) {}

void ProcessManager::run() {
  while (true) {
    start_due();
    switch (wait_signal(until_next_start())) {
      case SIGTERM:
      case SIGINT:
      case SIGQUIT:
        stop();
        return;
      case SIGHUP:
        log_line("replacing the workers");
        renew_();
        signal_all(SIGTERM);
        break;
      default:
        break;
    }
    reap();
  }
}

void ProcessManager::start_due() {
  const auto now = Clock::now();
  for (Slot& slot : slots_) {
    if (slot.pid == 0 && slot.start_at <= now) {
      start(slot);
    }
  }
}

void ProcessManager::start(Slot& slot) {
  const pid_t master = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // Workers end when the master is killed, because nothing could restart or stop them then.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    std::exit(getppid() == master ? work_in_child(static_cast<std::size_t>(&slot - slots_.data())) : 0);
  }
  if (pid < 0) {
    log_values("cannot start a worker: %s", std::strerror(errno));
    slot.start_at = Clock::now() + kMaxDelay;
    return;
  }
  slot.pid = pid;
  slot.started = Clock::now();
  slot.asked_to_end = false;
}

// Catches everything: an exception that reached main() would run the master's destructors in the worker, and remove its
// socket file.
int ProcessManager::work_in_child(std::size_t place) noexcept {
  try {
    return work_(place);
  } catch (const std::exception& problem) {
    log_line(problem.what());
    return EXIT_FAILURE;
  }
}

void ProcessManager::reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    const auto slot = std::find_if(slots_.begin(), slots_.end(), [pid](const Slot& s) { return s.pid == pid; });
    if (slot != slots_.end()) {
      ended(*slot, status);
    }
  }
}

void ProcessManager::ended(Slot& slot, int status) {
  const bool young = Clock::now() - slot.started < kMinLife;
  slot.delay = slot.asked_to_end || !young ? milliseconds{0} : std::clamp(slot.delay * 2, kFirstDelay, kMaxDelay);
  if (!slot.asked_to_end) {
    log_end(slot, status);
  }
  slot.pid = 0;
  slot.start_at = Clock::now() + slot.delay;
}

void ProcessManager::log_end(const Slot& slot, int status) {
  const auto delay = static_cast<long>(slot.delay.count());
  if (WIFSIGNALED(status)) {
    log_values("worker %d killed by signal %s; the next one starts in %ld ms", slot.pid, strsignal(WTERMSIG(status)),
               delay);
  } else {
    log_values("worker %d ended with status %d; the next one starts in %ld ms", slot.pid, WEXITSTATUS(status), delay);
  }
}

void ProcessManager::signal_all(int signal_number) {
  for (Slot& slot : slots_) {
    if (slot.pid == 0) {
      continue;
    }
    slot.asked_to_end = true;
    kill(slot.pid, signal_number);
  }
}

void ProcessManager::stop() {
  signal_all(SIGTERM);
  const auto deadline = Clock::now() + kStopPatience;
  while (any_running()) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      log_line("killing workers that did not end");
      signal_all(SIGKILL);
    }
    wait_signal(std::clamp(left, milliseconds{50}, kStopPatience));
    reap();
  }
}

bool ProcessManager::any_running() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.pid != 0; });
}

// The next signal of control_signals(); 0 if the time is up.
int ProcessManager::wait_signal(milliseconds limit) const {
  const sigset_t set = control_signals();
  timespec time{};
  time.tv_sec = limit.count() / 1000;
  time.tv_nsec = limit.count() % 1000 * 1000000;
  const int number = sigtimedwait(&set, nullptr, &time);
  return number > 0 ? number : 0;
}

milliseconds ProcessManager::until_next_start() const {
  milliseconds wait{60000};
  for (const Slot& slot : slots_) {
    if (slot.pid != 0) {
      continue;
    }
    const auto left = std::chrono::ceil<milliseconds>(slot.start_at - Clock::now());
    wait = std::clamp(left, milliseconds{1}, wait);
  }
  return wait;
}

}  // namespace pgevents::fallback
