// The load generator's epoll loop, edge-triggered, one thread. Handlers outlive the loop, so an event of the current
// batch may reach a handler whose descriptor has changed meanwhile: it finds nothing to read.
#pragma once

#include <cstdint>
#include <functional>

namespace bench {

// Microseconds since the Unix epoch: comparable with the times in events.
std::int64_t wall_us();

class Handler {
 public:
  virtual ~Handler() = default;
  virtual void on_ready(std::uint32_t events) = 0;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Watches `fd` for reading and writing, edge-triggered, until it is closed.
  void add(int fd, Handler* handler);

  // Runs until `done` returns true or `limit_us` have passed. Returns whether it was `done`.
  bool run_until(const std::function<bool()>& done, std::int64_t limit_us);
  void run_for(std::int64_t us);

 private:
  int fd_;
};

// Calls `tick` at a steady rate, including ticks that were missed while the loop was busy.
class Ticker : public Handler {
 public:
  Ticker(Loop& loop, std::function<void()> tick);
  ~Ticker() override;
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void start(double per_second);
  void stop();
  void on_ready(std::uint32_t events) override;

 private:
  int fd_;
  std::function<void()> tick_;
};

}  // namespace bench
