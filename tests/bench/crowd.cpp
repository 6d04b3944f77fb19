// A part of the crowd of `./run bench crowd`: event streams that stay, and come back behind their last event when the
// server ends them. It does what its standard input says, a command in each line, and answers each with a line of JSON:
//   open S        opens all streams, within S seconds
//   await N S     waits until all streams have the events up to number N: the delays since the last such command
//   reopened N S  waits until the server has ended N streams since the start, and all are open
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <queue>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "loop.hpp"
#include "options.hpp"
#include "stats.hpp"
#include "subscriber.hpp"

namespace bench {

namespace {

constexpr double kForeverS = 86400;

std::int64_t us(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e6);
}

// The lines of the standard input.
class Commands final : public Handler {
 public:
  explicit Commands(Loop& loop) {
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    loop.add(STDIN_FILENO, this);
  }
  bool ready() const { return ended_ || !lines_.empty(); }
  // False at the end.
  bool take(std::string& line) {
    if (lines_.empty()) return false;
    line = std::move(lines_.front());
    lines_.pop_front();
    return true;
  }
  void on_ready(std::uint32_t) override {
    std::array<char, 4096> buffer;
    ssize_t size = 0;
    while ((size = read(STDIN_FILENO, buffer.data(), buffer.size())) > 0) {
      for (ssize_t i = 0; i < size; ++i) {
        const char c = buffer[static_cast<std::size_t>(i)];
        if (c != '\n') {
          partial_ += c;
        } else {
          lines_.push_back(std::move(partial_));
          partial_.clear();
        }
      }
    }
    ended_ = size == 0 || errno != EAGAIN;
  }

 private:
  std::deque<std::string> lines_;
  std::string partial_;
  bool ended_ = false;
};

struct Lost {
  std::int64_t due;
  Subscriber* subscriber;
  bool operator<(const Lost& other) const { return due > other.due; }
};

class Crowd {
 public:
  explicit Crowd(const Options& options);
  void run();

 private:
  void execute(const std::string& line);
  void open(double limit_s);
  void await(std::uint32_t number, double limit_s);
  void reopened(std::uint64_t ends, double limit_s);
  bool run_until(const std::function<bool()>& done, double limit_s);
  void reopen_due();
  void lost(Subscriber& subscriber);
  void print(double seconds, bool is_done);

  const Options& options_;
  Loop loop_;
  Commands commands_{loop_};
  Stats stats_;
  SubscriberSetup setup_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::priority_queue<Lost> lost_;
  std::int64_t first_lost_ = 0;
};

Crowd::Crowd(const Options& options)
    : options_(options), setup_{loop_,          stats_,         options.server,
                                options.flavor, options.cursor, [this](Subscriber& one) { lost(one); }} {
  stats_.measure_from = 0;
  for (std::uint32_t i = 0; i < options.subscribers; ++i) {
    const std::uint32_t source = INADDR_LOOPBACK + options.source + i % options.sources;
    subscribers_.push_back(std::make_unique<Subscriber>(setup_, for_channel(options.path, 0), "", source));
  }
}

void Crowd::run() {
  std::string line;
  while (run_until([this] { return commands_.ready(); }, kForeverS) && commands_.take(line)) execute(line);
}

void Crowd::execute(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  double first = 0;
  double second = 0;
  words >> name >> first >> second;
  if (name == "open") return open(first);
  if (name == "await") return await(static_cast<std::uint32_t>(first), second);
  if (name == "reopened") return reopened(static_cast<std::uint64_t>(first), second);
  throw std::runtime_error("unknown command: " + line);
}

bool Crowd::run_until(const std::function<bool()>& done, double limit_s) {
  const auto goes_on = [&] {
    reopen_due();
    return done();
  };
  return loop_.run_until(goes_on, us(limit_s));
}

void Crowd::lost(Subscriber& subscriber) {
  const std::int64_t now = wall_us();
  first_lost_ = first_lost_ == 0 ? now : first_lost_;
  lost_.push({now + std::int64_t{subscriber.retry_ms()} * 1000, &subscriber});
}

void Crowd::reopen_due() {
  const std::int64_t now = wall_us();
  while (!lost_.empty() && lost_.top().due <= now) {
    Subscriber* const subscriber = lost_.top().subscriber;
    lost_.pop();
    subscriber->open();
  }
}

void Crowd::open(double limit_s) {
  const std::int64_t start = wall_us();
  std::uint32_t started = 0;
  const auto all_open = [&] {
    while (started < options_.subscribers && started < stats_.opened + options_.opening) {
      subscribers_[started++]->open();
    }
    return stats_.opened == options_.subscribers;
  };
  const bool is_done = run_until(all_open, limit_s);
  print(static_cast<double>(wall_us() - start) / 1e6, is_done);
  first_lost_ = 0;
}

void Crowd::await(std::uint32_t number, double limit_s) {
  const std::uint64_t expected = std::uint64_t{options_.subscribers} * number;
  const std::int64_t start = wall_us();
  const bool is_done = run_until([&] { return stats_.events - stats_.duplicates >= expected; }, limit_s);
  print(static_cast<double>(wall_us() - start) / 1e6, is_done);
  stats_.delay.clear();
}

void Crowd::reopened(std::uint64_t ends, double limit_s) {
  const auto all_back = [&] { return stats_.closed >= ends && stats_.opened == options_.subscribers; };
  const bool is_done = run_until(all_back, limit_s);
  print(first_lost_ == 0 ? 0 : static_cast<double>(wall_us() - first_lost_) / 1e6, is_done);
  first_lost_ = 0;
}

void Crowd::print(double seconds, bool is_done) {
  std::printf(
      "{\"done\":%s,\"seconds\":%.3f,\"opened\":%lu,\"events\":%lu,\"missing\":%lu,\"duplicates\":%lu,"
      "\"reordered\":%lu,\"closed\":%lu,\"bad_answers\":%lu,\"delays\":[",
      is_done ? "true" : "false", seconds, stats_.opened, stats_.events, stats_.missing, stats_.duplicates,
      stats_.reordered, stats_.closed, stats_.bad_answers);
  const char* separator = "";
  stats_.delay.each([&](std::uint64_t value, std::uint64_t samples) {
    std::printf("%s[%lu,%lu]", separator, value, samples);
    separator = ",";
  });
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  try {
    const bench::Options options = bench::parse_options(argc, argv);
    bench::Crowd(options).run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "crowd: %s\n", error.what());
    return 1;
  }
}
