// Shared memory and child processes for tests; a child ends when its owner goes out of scope.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace pgevents::testing {

// Memory that forked children share with their parent. A guard page follows it.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t size) : size_(size), mapped_((size + 2 * kPage - 1) / kPage * kPage) {
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      std::abort();
    }
    char* const guard = static_cast<char*>(base_) + mapped_ - kPage;
    if (mprotect(guard, kPage, PROT_NONE) != 0) {
      std::abort();
    }
    data_ = guard - (size + 7) / 8 * 8;
  }
  ~SharedMemory() { munmap(base_, mapped_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kPage = 4096;
  std::size_t size_;
  std::size_t mapped_;
  void* base_;
  void* data_;
};

class Child {
 public:
  // Runs `body` in a child, whose exit status is what it returns. It ends with the parent, or after `seconds`, longer
  // than any test.
  template <typename Body>
  explicit Child(Body body, unsigned seconds = 300) : pid_(fork()) {
    if (pid_ < 0) {
      std::abort();
    }
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      alarm(seconds);
      _exit(body());
    }
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Child() { kill_and_reap(); }

  pid_t pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }

  // The exit status, or 1000 + the signal that ended it.
  int wait() {
    int status = 0;
    while (waitpid(std::exchange(pid_, 0), &status, 0) < 0 && errno == EINTR) {
      continue;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  void kill_and_reap() {
    if (pid_ == 0) {
      return;
    }
    kill(pid_, SIGKILL);
    wait();
  }

 private:
  pid_t pid_;
};

// A child whose owner makes it execute `action`: one machine instruction at a time, or the rest at once.
class Traced {
 public:
  template <typename Action>
  explicit Traced(Action action)
      : child_([&action] {
          if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
            return 1;
          }
          raise(SIGSTOP);
          action();
          raise(SIGSTOP);
          return 0;
        }) {
    if (!stopped_by(SIGSTOP)) {
      std::abort();  // ptrace is not allowed here
    }
  }

  // False after the end of `action`.
  bool step() { return resume(PTRACE_SINGLESTEP) && stopped_by(SIGTRAP); }
  bool finish() { return resume(PTRACE_CONT) && stopped_by(SIGSTOP); }

 private:
  bool resume(__ptrace_request how) const { return ptrace(how, child_.pid(), nullptr, nullptr) == 0; }
  bool stopped_by(int signal) const {
    int status = 0;
    return waitpid(child_.pid(), &status, 0) == child_.pid() && WIFSTOPPED(status) && WSTOPSIG(status) == signal;
  }

  Child child_;
};

inline int sleep_for_ever() {
  for (;;) {
    pause();
  }
}

// The pid of a process that has ended.
inline std::uint32_t dead_pid() {
  Child child([] { return 0; });
  const pid_t pid = child.pid();
  child.wait();
  return static_cast<std::uint32_t>(pid);
}

inline std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Waits until `condition` holds; false if it does not within `seconds`, which are enough for a busy machine.
template <typename Condition>
bool wait_until(Condition condition, int seconds = 120) {
  const std::int64_t deadline = now_us() + seconds * 1000000;
  while (!condition()) {
    if (now_us() > deadline) {
      return false;
    }
    sched_yield();
  }
  return true;
}

// For loops that run for some time, and then until they have seen enough: on a busy machine the time alone is too
// short.
template <typename Enough>
bool goes_on(std::int64_t deadline, Enough enough) {
  return now_us() < deadline || !enough();
}

}  // namespace pgevents::testing
