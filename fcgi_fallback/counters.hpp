// What the processes of the fallback have counted since the master started, in memory that they share: one slot for
// each process, which only that process writes. A worker that takes the place of another one counts on in its slot. A
// CGI program lives for one request, so it counts nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/metrics/metrics.hpp"

namespace pgevents::fallback {

enum class Counter : std::uint8_t {
  kRequests,
  kAuthFailures,
  kQueryDuration,
  kDatabaseConnects,
  kEventsSent,
  kProcesses,
  kCount,
};

// The statements by the names in postgres/statements.hpp without `pgevents_`.
inline constexpr const char* kCountedStatements[] = {
    "fetch",         "token_revoked",  "publish",  "register", "report_presence",
    "user_presence", "realm_presence", "typing",   "settings", "presence_poll",
    "presence_tick", "prune",          "sequence", "is_copy",  "other",
};

// docs/fallback.md describes them; a test compares that page with this table.
inline constexpr MetricInfo kCounters[] = {
    {"requests_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     true,
     "Requests that the fallback has answered, by what they ask for and the status of the response.",
     {metric_label("endpoint", kRequestKindWords), metric_label("status", kStatusWords)}},
    {"auth_failures_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     false,
     "Requests that were rejected because of their token, user, rights or origin.",
     {metric_label("reason", kAuthFaultWords)}},
    {"query_duration_seconds",
     MetricType::kHistogram,
     MetricUnit::kMicroseconds,
     true,
     "Time from sending a statement to the database until its result was complete.",
     {metric_label("statement", kCountedStatements)}},
    {"database_connects_total", MetricType::kCounter, MetricUnit::kNone, false,
     "How often a process has connected to the database."},
    {"events_sent_total", MetricType::kCounter, MetricUnit::kNone, false, "Events in the answers to subscribers."},
    {"processes", MetricType::kGauge, MetricUnit::kNone, false, "Processes that serve requests now."},
};
inline constexpr std::size_t kCounterCount = static_cast<std::size_t>(Counter::kCount);
static_assert(std::size(kCounters) == kCounterCount);

inline constexpr char kCounterPrefix[] = "pgevents_fallback_";

class Counters {
 public:
  // For so many processes; made before they are. 0: nothing is counted. Throws if memory is refused.
  explicit Counters(std::size_t slots);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  // This process counts in this slot from now on, and is shown as serving until it ends.
  void use(std::size_t slot) noexcept;
  bool counts() const noexcept { return mine_ != nullptr; }

  // Labels are enums, in the order of the table.
  template <typename... Labels>
  void add(std::uint64_t n, Counter counter, Labels... labels) noexcept {
    if (MetricWord* const series = series_of(counter, static_cast<std::size_t>(labels)...)) {
      add_to(*series, n);
    }
  }
  // `statement`: its name.
  void observe_query(std::string_view statement, std::int64_t us) noexcept;

  // The sums over all processes: in Prometheus' text format, and as one JSON object.
  std::string prometheus() const;
  std::string json() const;

 private:
  static constexpr std::size_t kWords = first_word_in(kCounters, kCounterCount);
  // No two processes write into the same cache line.
  struct alignas(64) Slot {
    MetricWord pid;  // 0: none
    MetricWord words[kWords];
  };
  struct Sums {
    std::uint64_t words[kWords];
  };

  MetricWord* series_of(Counter counter, std::size_t at0 = 0, std::size_t at1 = 0) const noexcept {
    const auto index = static_cast<std::size_t>(counter);
    return mine_ == nullptr ? nullptr
                            : mine_->words + first_word_in(kCounters, index) + word_in(kCounters[index], at0, at1);
  }
  void sum(Sums& to) const noexcept;

  Slot* slots_ = nullptr;
  std::size_t count_;
  Slot* mine_ = nullptr;
};

}  // namespace pgevents::fallback
