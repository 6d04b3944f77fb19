// The master process: keeps a number of workers running until a signal stops it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace pgevents::fallback {

// Blocks the signals that control master and workers; each of these receives them only where it waits. To be called
// first.
void block_signals();

class ProcessManager {
 public:
  // `work` runs in each worker process, with the number of its place (from 0), and returns its exit status. `renew` is
  // called in the master on HUP, before any worker is replaced.
  ProcessManager(unsigned count, std::function<int(std::size_t)> work, std::function<void()> renew);

  // Returns after TERM, INT or QUIT, when all workers have ended. HUP lets each worker finish and replaces it.
  void run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot {
    pid_t pid = 0;  // 0: waiting until start_at
    Clock::time_point started{};
    Clock::time_point start_at{};
    std::chrono::milliseconds delay{0};
    bool asked_to_end = false;
  };

  void start_due();
  void start(Slot& slot);
  int work_in_child(std::size_t place) noexcept;
  void reap();
  void ended(Slot& slot, int status);
  static void log_end(const Slot& slot, int status);
  void signal_all(int signal_number);
  void stop();
  bool any_running() const;
  int wait_signal(std::chrono::milliseconds limit) const;
  std::chrono::milliseconds until_next_start() const;

  std::function<int(std::size_t)> work_;
  std::function<void()> renew_;
  std::vector<Slot> slots_;
};

}  // namespace pgevents::fallback
