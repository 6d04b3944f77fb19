// See findings.hpp.
#include "core/status/findings.hpp"

#include <optional>
#include <utility>

#include "core/status/readable.hpp"

namespace pgevents {
namespace {

using Level = Finding::Level;
using MaybeFinding = std::optional<Finding>;

constexpr std::uint64_t kSecond = 1'000'000;  // microseconds
constexpr std::uint64_t kLongestWithoutPrune = 900 * kSecond;
constexpr std::uint64_t kLongQueue = 100;

bool is_connected(const MetricsSnapshot& values) noexcept {
  return values.get(Metric::kListenerConnected) != 0;
}

MaybeFinding disconnected(const MetricsSnapshot& values, std::int64_t now_ms) {
  if (is_connected(values)) {
    return std::nullopt;
  }
  const std::uint64_t read = values.get(Metric::kListenerLastRead);
  const std::string since = read == 0 ? "since nginx started" : "for " + readable_time(age_us(now_ms, read));
  return Finding{
      Level::kFailure, "No worker follows the log: new events have not been delivered " + since + ".",
      "nginx's error log has the reason. Check that PostgreSQL runs, accepts the role of nginx's workers, and "
      "has free connections. Streams that are open wait, and lose nothing.",
      "PgeventsListenerNotConnected"};
}

// What pgevents_ready reports although a worker is connected: that it has not read the log for longer than the sweep's
// interval allows.
MaybeFinding stalled(const DatabaseStatus& database) {
  if (database.not_ready.empty() || !is_connected(database.metrics)) {
    return std::nullopt;
  }
  return Finding{Level::kFailure, "A worker is connected, but this nginx is not ready: " + database.not_ready + ".",
                 "The listener reads the log at each sweep, also if nothing happens. Look for its statement in "
                 "pg_stat_activity, and for locks that it waits for.",
                 "PgeventsListenerStalled"};
}

MaybeFinding queue_long(const MetricsSnapshot& values) {
  const std::uint64_t waiting = values.get(Metric::kPoolQueue);
  if (waiting <= kLongQueue) {
    return std::nullopt;
  }
  return Finding{Level::kWarning, readable_count(waiting) + " statements wait for a connection.",
                 "See below which statements are slow. Set connections= higher if PostgreSQL has room.",
                 "PgeventsPoolQueueLong"};
}

MaybeFinding revocations_full(const MetricsSnapshot& values) {
  const std::uint64_t used = values.get(Metric::kRevocations, Room::kUsed);
  const std::uint64_t size = values.get(Metric::kRevocations, Room::kSize);
  if (used * 4 <= size * 3) {
    return std::nullopt;
  }
  return Finding{
      Level::kWarning,
      "The table of revocations is nearly full: " + readable_count(used) + " of " + readable_count(size) + ".",
      "When it is full, tokens older than the oldest revocation are rejected. Set the schema's setting "
      "revocation_retention to little more than the life of your tokens.",
      "PgeventsRevocationsNearlyFull"};
}

// A prune that never succeeded is not distinguished from prune=off.
MaybeFinding not_pruned(const MetricsSnapshot& values, std::int64_t now_ms) {
  const std::uint64_t pruned = values.get(Metric::kPruneLastSuccess);
  const std::uint64_t age = age_us(now_ms, pruned);
  if (pruned == 0 || age <= kLongestWithoutPrune) {
    return std::nullopt;
  }
  return Finding{Level::kWarning, "The log was last pruned " + readable_time(age) + " ago, so it grows.",
                 "nginx's error log has the reason (\"cannot prune the log\").", "PgeventsPruneFailing"};
}

}  // namespace

std::vector<Finding> findings(const DatabaseStatus& database, std::int64_t now_ms) {
  const MetricsSnapshot& values = database.metrics;
  std::vector<Finding> found;
  for (MaybeFinding finding : {disconnected(values, now_ms), stalled(database), queue_long(values),
                               revocations_full(values), not_pruned(values, now_ms)}) {
    if (finding) {
      found.push_back(*std::move(finding));
    }
  }
  return found;
}

}  // namespace pgevents
