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
constexpr std::uint64_t kLongestCopyLag = 30'000;  // milliseconds
constexpr std::uint64_t kRecent = 60 * kSecond;

bool is_connected(const MetricsSnapshot& values) noexcept {
  return values.get(Metric::kListenerConnected) != 0;
}

// A trouble that has shown itself, and no success since; or one a moment ago, because a success of one worker says
// little about the others.
bool lasts(std::uint64_t trouble_ms, std::uint64_t success_ms, std::int64_t now_ms) noexcept {
  return trouble_ms != 0 && (trouble_ms >= success_ms || age_us(now_ms, trouble_ms) <= kRecent);
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

MaybeFinding cannot_connect(const Troubles& troubles, std::int64_t now_ms) {
  if (!lasts(troubles.connect_failed_ms, troubles.connected_ms, now_ms)) {
    return std::nullopt;
  }
  const bool none_since = troubles.connect_failed_ms >= troubles.connected_ms;
  return Finding{
      Level::kWarning,
      "A connection for requests could not be opened " + readable_time(age_us(now_ms, troubles.connect_failed_ms)) +
          " ago" + (none_since ? ", and none since" : "") + ": requests get 503.",
      "nginx's error log has the reason (\"for a request\"). Compare the CONNECTION LIMIT of the role and of "
      "the database, and max_connections, with connections= times the number of workers.",
      "PgeventsServerErrors"};
}

MaybeFinding primary_away(const Troubles& troubles, std::int64_t now_ms) {
  if (troubles.primary_failed_ms == 0) {
    return std::nullopt;
  }
  return Finding{
      Level::kWarning,
      "The primary cannot be reached, last tried " + readable_time(age_us(now_ms, troubles.primary_failed_ms)) +
          " ago: publications, calls and presence get 503. Streams and polls go on.",
      "nginx's error log has the reason (\"(primary)\"). Check that the database of primary= runs and accepts "
      "the role of nginx's workers.",
      "PgeventsPrimaryAway"};
}

// Events that this copy lacks reach none of its subscribers.
MaybeFinding copy_stopped(const MetricsSnapshot& values) {
  if (values.get(Metric::kCopy) == 0 || values.get(Metric::kCopyRunning) != 0) {
    return std::nullopt;
  }
  return Finding{Level::kFailure, "This copy of the log gets nothing from its primary: the subscription does not run.",
                 "pgevents.status() of the copy says why, and PostgreSQL's log names the error. Without a conflict it "
                 "starts again by itself when the primary can be reached.",
                 "PgeventsCopyStopped"};
}

MaybeFinding copy_behind(const MetricsSnapshot& values) {
  const std::uint64_t ms = values.get(Metric::kCopyLag);
  if (values.get(Metric::kCopy) == 0 || values.get(Metric::kCopyRunning) == 0 || ms == kUnknownValue ||
      ms <= kLongestCopyLag) {
    return std::nullopt;
  }
  return Finding{Level::kWarning,
                 "This copy of the log is " + readable_time(ms * 1'000) + " behind its primary, by " +
                     readable_count(values.get(Metric::kCopyLagIds)) + " events.",
                 "It applies changes, but slower than they come: compare processor, disk and network of the copy.",
                 "PgeventsCopyBehind"};
}

MaybeFinding slow(const MetricsSnapshot& values) {
  const std::uint64_t count = values.get(Metric::kPoolSlow) + values.get(Metric::kPrimarySlow);
  if (count == 0) {
    return std::nullopt;
  }
  return Finding{Level::kWarning,
                 readable_count(count) + (count == 1 ? " statement has" : " statements have") +
                     " waited or run for longer than 2 s.",
                 "Look in pg_stat_activity for locks that they wait for, and for the session that holds them. What is "
                 "published by then is delivered late.",
                 "PgeventsStatementsSlow"};
}

MaybeFinding unnotified(const Troubles& troubles, std::int64_t now_ms) {
  if (!lasts(troubles.unnotified_ms, troubles.notified_ms, now_ms)) {
    return std::nullopt;
  }
  return Finding{Level::kWarning,
                 "Events come without a notification, last noticed " +
                     readable_time(age_us(now_ms, troubles.unnotified_ms)) +
                     " ago: they are delivered as late as sweep= allows.",
                 "Let no pooler share the session of the listener. On a copy of the log, enable the trigger log_notify "
                 "of the table pgevents.log.",
                 "PgeventsNotificationsLost"};
}

MaybeFinding queue_long(const MetricsSnapshot& values) {
  const std::uint64_t waiting = values.get(Metric::kPoolQueue) + values.get(Metric::kPrimaryQueue);
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

// The first failure counts. Without one, a prune that never succeeded is not distinguished from prune=off.
MaybeFinding not_pruned(const MetricsSnapshot& values, const Troubles& troubles, std::int64_t now_ms) {
  constexpr const char* kAdvice = "nginx's error log has the reason (\"cannot prune the log\").";
  if (troubles.prune_failing_ms != 0 && is_connected(values)) {
    const std::string age = readable_time(age_us(now_ms, troubles.prune_failing_ms));
    return Finding{Level::kWarning, "Pruning the log has failed for " + age + ", so it grows.", kAdvice,
                   "PgeventsPruneFailing"};
  }
  const std::uint64_t pruned = values.get(Metric::kPruneLastSuccess);
  const std::uint64_t age = age_us(now_ms, pruned);
  if (pruned == 0 || age <= kLongestWithoutPrune) {
    return std::nullopt;
  }
  return Finding{Level::kWarning, "The log was last pruned " + readable_time(age) + " ago, so it grows.", kAdvice,
                 "PgeventsPruneFailing"};
}

}  // namespace

std::vector<Finding> findings(const DatabaseStatus& database, std::int64_t now_ms) {
  const MetricsSnapshot& values = database.metrics;
  const Troubles& troubles = database.troubles;
  // While the listener is away, what it has in common with the other connections is reported once.
  const auto unless_away = [&](MaybeFinding finding) {
    return is_connected(values) ? std::move(finding) : std::nullopt;
  };
  std::vector<Finding> found;
  for (MaybeFinding finding :
       {disconnected(values, now_ms), stalled(database), unless_away(cannot_connect(troubles, now_ms)),
        copy_stopped(values), primary_away(troubles, now_ms), copy_behind(values), unless_away(slow(values)),
        unless_away(unnotified(troubles, now_ms)), queue_long(values), revocations_full(values),
        not_pruned(values, troubles, now_ms)}) {
    if (finding) {
      found.push_back(*std::move(finding));
    }
  }
  return found;
}

}  // namespace pgevents
