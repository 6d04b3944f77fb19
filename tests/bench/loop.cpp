#include "loop.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bench {

namespace {

// Small, so that the timer, which is in the same queue as the sockets, is at most a millisecond late.
constexpr int kBatch = 256;
constexpr int kMaxWaitMs = 20;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

std::int64_t wall_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

Loop::Loop() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) fail("epoll_create1");
}

Loop::~Loop() {
  close(fd_);
}

void Loop::add(int fd, Handler* handler) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = handler;
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

bool Loop::run_until(const std::function<bool()>& done, std::int64_t limit_us) {
  const std::int64_t end = wall_us() + limit_us;
  std::array<epoll_event, kBatch> ready;
  while (!done()) {
    const std::int64_t left = end - wall_us();
    if (left <= 0) return false;
    const int wait = static_cast<int>(std::min<std::int64_t>(kMaxWaitMs, left / 1000 + 1));
    const int count = epoll_wait(fd_, ready.data(), kBatch, wait);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = ready[static_cast<std::size_t>(i)];
      static_cast<Handler*>(event.data.ptr)->on_ready(event.events);
    }
  }
  return true;
}

void Loop::run_for(std::int64_t us) {
  run_until([] { return false; }, us);
}

Ticker::Ticker(Loop& loop, std::function<void()> tick)
    : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)), tick_(std::move(tick)) {
  if (fd_ < 0) fail("timerfd_create");
  loop.add(fd_, this);
}

Ticker::~Ticker() {
  close(fd_);
}

void Ticker::start(double per_second) {
  const auto ns = static_cast<std::int64_t>(1e9 / per_second);
  itimerspec spec{};
  spec.it_interval.tv_sec = ns / 1000000000;
  spec.it_interval.tv_nsec = ns % 1000000000;
  spec.it_value = spec.it_interval;
  if (timerfd_settime(fd_, 0, &spec, nullptr) != 0) fail("timerfd_settime");
}

void Ticker::stop() {
  const itimerspec off{};
  timerfd_settime(fd_, 0, &off, nullptr);
}

void Ticker::on_ready(std::uint32_t) {
  std::uint64_t due = 0;
  if (read(fd_, &due, sizeof due) != sizeof due) return;
  for (; due > 0; --due) tick_();
}

}  // namespace bench
