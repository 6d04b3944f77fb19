// The load generator of `./run bench`: one process, one thread, on one core. It opens subscribers, publishes events at
// a steady rate, and prints as JSON what arrived, with which delay, and the cost for the servers and for itself.
#include <arpa/inet.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "http_publisher.hpp"
#include "loop.hpp"
#include "options.hpp"
#include "pg_publisher.hpp"
#include "publisher.hpp"
#include "stats.hpp"
#include "subscriber.hpp"
#include "watch.hpp"

namespace bench {

namespace {

constexpr double kOpenLimitS = 60;
// The pause between the last subscription and the first event, because a waiting long poll sends no answer.
constexpr double kSettleS = 0.5;
// The last events of the measured time, whose delay is reported separately.
constexpr double kLateS = 1;

std::int64_t us(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e6);
}

// CPU time and memory of a watched process at one moment.
struct Snapshot {
  double cpu_s = 0;
  std::uint64_t pss = 0;
};

std::string token_header(const Options& options, std::uint32_t subscriber) {
  if (options.tokens.empty()) return {};
  return "Authorization: Bearer " + options.tokens[subscriber % options.tokens.size()] + "\r\n";
}

class Run {
 public:
  explicit Run(const Options& options);
  void execute();
  void print() const;

 private:
  void open_subscribers();
  void await_missed();
  Publication next();
  void keep_ahead();
  void publish_for(double seconds);
  std::int64_t publish_steadily();
  std::int64_t publish_at_once();
  std::uint64_t expected() const;
  bool all_there() const;
  Histogram confirmed_delays() const;
  std::vector<Snapshot> look() const;
  void print_watched() const;

  const Options& options_;
  Loop loop_;
  Stats stats_;
  SubscriberSetup setup_;
  PublisherPool pool_;
  Ticker ticker_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::vector<std::uint32_t> sequences_;  // last number published, by channel
  std::uint64_t published_ = 0;
  std::string padding_;

  std::int64_t opening_ = 0;
  double open_s_ = 0;
  double caught_up_s_ = 0;
  double window_s_ = 0;
  double drain_s_ = 0;
  double own_cpu_s_ = 0;
  std::uint64_t in_window_ = 0;
  std::uint64_t bytes_in_window_ = 0;
  std::uint64_t measured_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t responses_ = 0;
  std::uint64_t missing_ = 0;
  std::vector<Snapshot> before_, opened_, start_, end_;
};

Run::Run(const Options& options)
    : options_(options),
      setup_{loop_, stats_, options.server, options.flavor, options.cursor},
      pool_(options.batch),
      ticker_(loop_, [this] { pool_.publish(next()); }),
      sequences_(options.channels, options.missed),
      padding_(options.size, 'a') {
  for (std::uint32_t i = 0; i < options.publishers && options.rate > 0; ++i) {
    if (options.publish.empty()) {
      pool_.add(std::make_unique<PgPublisher>(loop_, pool_, options.conninfo, options.statement));
    } else {
      pool_.add(std::make_unique<HttpPublisher>(loop_, pool_, options.publish_server, options.publish, options.body));
    }
  }
  for (std::uint32_t i = 0; i < options.subscribers; ++i) {
    const std::uint32_t source = INADDR_LOOPBACK + options.source + i % options.sources;
    const std::string path = for_channel(options.path, i % options.channels);
    subscribers_.push_back(std::make_unique<Subscriber>(setup_, path, token_header(options, i), source));
    if (options.last_event_id != 0) subscribers_.back()->start_behind(options.last_event_id + i % options.cursors);
  }
  for (std::uint32_t i = 0; i < std::min(options.channels, options.subscribers); ++i) {
    subscribers_[i]->be_probe(i, options.channels);
  }
}

void Run::open_subscribers() {
  opening_ = wall_us();
  std::uint32_t started = 0;
  const auto all_open = [&] {
    while (started < options_.subscribers && started < stats_.opened + options_.opening) {
      subscribers_[started++]->open();
    }
    return stats_.opened == options_.subscribers || stats_.closed + stats_.bad_answers > 0;
  };
  if (!loop_.run_until(all_open, us(kOpenLimitS)) || stats_.opened != options_.subscribers) {
    throw std::runtime_error(std::to_string(stats_.opened) + " of " + std::to_string(options_.subscribers) +
                             " subscribers could be opened, then " + std::to_string(stats_.closed) +
                             " were closed and " + std::to_string(stats_.bad_answers) + " had a bad answer");
  }
  open_s_ = static_cast<double>(wall_us() - opening_) / 1e6;
}

// Waits until all subscribers have what was published before they connected; the end reports what is missing.
void Run::await_missed() {
  loop_.run_until([this] { return stats_.events - stats_.duplicates >= expected(); }, us(kOpenLimitS));
  caught_up_s_ = static_cast<double>(wall_us() - opening_) / 1e6;
}

// The numbers that subscribers search for come first, so that finding them is cheap.
Publication Run::next() {
  const std::uint64_t index = published_++;
  const auto channel = static_cast<std::uint32_t>(index % options_.channels);
  const std::int64_t now = wall_us();
  std::string data = "{\"n\":" + std::to_string(++sequences_[channel]) + ",\"t\":" + std::to_string(now) + ",\"x\":\"";
  const std::size_t frame = data.size() + 2;
  if (frame < options_.size) data.append(padding_, 0, options_.size - frame);
  data += "\"}";
  return {for_channel(options_.channel, channel), std::move(data), index, now};
}

// The permitted number of events under way, not counting those that only some of their subscribers still lack.
void Run::keep_ahead() {
  const double readers = static_cast<double>(options_.subscribers) / options_.channels;
  const double delivered = static_cast<double>(stats_.events + stats_.before_first) / readers;
  while (static_cast<double>(published_) - delivered < options_.ahead) pool_.publish(next());
}

void Run::publish_for(double seconds) {
  if (options_.ahead == 0) return loop_.run_for(us(seconds));
  const auto keep_going = [this] {
    keep_ahead();
    return false;
  };
  loop_.run_until(keep_going, us(seconds));
}

std::uint64_t Run::expected() const {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < options_.subscribers; ++i) sum += sequences_[i % options_.channels];
  return sum;
}

// The delay from the publisher's confirmation (the commit) to the channel's first subscriber. This process reads both
// in turn: an event that it reads before the confirmation counts as 0.
Histogram Run::confirmed_delays() const {
  Histogram delays;
  const std::vector<std::int64_t>& confirmed = pool_.confirmed_at();
  for (std::size_t n = 0; n < std::min(confirmed.size(), stats_.probe.size()); ++n) {
    if (confirmed[n] >= stats_.measure_from && stats_.probe[n] != 0) delays.add(stats_.probe[n] - confirmed[n]);
  }
  return delays;
}

std::vector<Snapshot> Run::look() const {
  std::vector<Snapshot> result;
  for (const Watched& watched : options_.watched) result.push_back({cpu_seconds(watched), pss_kb(watched)});
  return result;
}

bool Run::all_there() const {
  return stats_.events + stats_.before_first - stats_.duplicates >= expected() && pool_.acknowledged() == published_;
}

// Publishes events for the given time. Gives the start of the measured time.
std::int64_t Run::publish_steadily() {
  stats_.measure_from = wall_us();
  pool_.measure_from(stats_.measure_from);
  stats_.late_from = stats_.measure_from + us(options_.seconds - kLateS);
  publish_for(options_.seconds);
  ticker_.stop();
  return stats_.measure_from;
}

std::int64_t Run::publish_at_once() {
  stats_.measure_from = wall_us();
  Batch all;
  while (all.size() < options_.burst) all.push_back(next());
  pool_.publish(std::move(all));
  loop_.run_until([this] { return all_there(); }, us(options_.seconds));
  return stats_.first_us;
}

void Run::execute() {
  before_ = look();
  open_subscribers();
  await_missed();
  loop_.run_for(us(kSettleS + options_.idle_s));
  opened_ = look();

  const bool steady = options_.burst == 0;
  if (steady && options_.rate > 0 && options_.ahead == 0) ticker_.start(options_.rate);
  if (steady) publish_for(options_.warmup_s);

  start_ = look();
  const double own_start = own_cpu_seconds();
  const Stats before = stats_;
  const std::int64_t from = steady ? publish_steadily() : publish_at_once();
  const std::int64_t stop = wall_us();
  window_s_ = static_cast<double>(stop - from) / 1e6;
  in_window_ = stats_.events - before.events;
  bytes_in_window_ = stats_.bytes - before.bytes;

  loop_.run_until([this] { return all_there(); }, us(options_.drain_s));
  drain_s_ = static_cast<double>(wall_us() - stop) / 1e6;
  own_cpu_s_ = own_cpu_seconds() - own_start;
  end_ = look();
  measured_ = stats_.events - before.events;
  reads_ = stats_.reads - before.reads;
  responses_ = stats_.responses - before.responses;
  missing_ = stats_.missing;
  for (std::uint32_t i = 0; i < options_.subscribers; ++i) {
    missing_ += sequences_[i % options_.channels] - subscribers_[i]->last_sequence();
  }
  for (const auto& subscriber : subscribers_) subscriber->close();
}

void print_delays(const char* name, const Histogram& delays) {
  std::printf("\"%s\":{\"count\":%lu,\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"max\":%lu},", name, delays.count(),
              delays.percentile(0.5), delays.percentile(0.9), delays.percentile(0.99), delays.max());
}

void Run::print_watched() const {
  std::printf("\"watched\":{");
  for (std::size_t i = 0; i < options_.watched.size(); ++i) {
    const double open_cpu = opened_[i].cpu_s - before_[i].cpu_s;
    std::printf(
        "%s\"%s\":{\"cpu_s\":%.2f,\"open_cpu_s\":%.2f,\"pss_before_kb\":%lu,\"pss_opened_kb\":%lu,\"pss_end_kb\":%lu}",
        i == 0 ? "" : ",", options_.watched[i].name.c_str(), end_[i].cpu_s - start_[i].cpu_s, open_cpu, before_[i].pss,
        opened_[i].pss, end_[i].pss);
  }
  std::printf("},");
}

void Run::print() const {
  std::printf("{\"subscribers\":%u,\"channels\":%u,\"rate\":%g,\"open_s\":%.2f,\"caught_up_s\":%.3f,",
              options_.subscribers, options_.channels, options_.rate, open_s_, caught_up_s_);
  std::printf("\"published\":%lu,\"deliveries\":%lu,\"window_s\":%.3f,\"delivered_per_s\":%.0f,\"drain_s\":%.3f,",
              published_, measured_, window_s_, static_cast<double>(in_window_) / window_s_, drain_s_);
  std::printf(
      "\"missing\":%lu,\"before_first\":%lu,\"duplicates\":%lu,\"reordered\":%lu,\"closed\":%lu,\"bad_answers\":%lu,",
      missing_, stats_.before_first, stats_.duplicates, stats_.reordered, stats_.closed, stats_.bad_answers);
  print_delays("delay_us", stats_.delay);
  print_delays("late_delay_us", stats_.late_delay);
  print_delays("commit_delay_us", stats_.commit_delay);
  print_delays("confirmed_delay_us", confirmed_delays());
  print_delays("publish_delay_us", pool_.publish_delay());
  std::printf(
      "\"publish_us\":%ld,\"batches\":%lu,\"publish_queue\":%zu,\"reads\":%lu,\"responses\":%lu,\"bytes\":%lu,"
      "\"window_bytes\":%lu,",
      pool_.mean_us(), pool_.batches(), pool_.longest_queue(), reads_, responses_, stats_.bytes, bytes_in_window_);
  print_watched();
  std::printf("\"own_cpu_s\":%.2f,\"own_cpu_share\":%.3f}\n", own_cpu_s_, own_cpu_s_ / (window_s_ + drain_s_));
}

void prepare_process(const Options& options) {
  // As root the hard limit is raised too; otherwise the permitted limit must suffice.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit wanted{options.subscribers + 1000, options.subscribers + 1000};
  if (files.rlim_cur < wanted.rlim_cur && setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (options.cpu < 0) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(options.cpu), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) throw std::runtime_error("--cpu: invalid core");
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) {
  try {
    const bench::Options options = bench::parse_options(argc, argv);
    bench::prepare_process(options);
    bench::Run run(options);
    run.execute();
    run.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
  }
}
