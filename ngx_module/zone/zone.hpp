// The shared memory of one database: the ring, the listener's lease, the wait ids, the revocations, the counters of the
// metrics and the eventfd that wakes every worker. It lives as long as the instance's master process and survives
// reloads.
#pragma once

#include "ngx_module/nginx.hpp"

#include <atomic>
#include <cstdint>

#include "core/metrics/metric.hpp"
#include "core/shared/ring.hpp"
#include "core/shared/shared_state.hpp"

namespace pgevents::nginx {

inline constexpr std::size_t kWaitIdSlots = 16384;
inline constexpr std::size_t kRevocationSlots = 16384;
inline constexpr std::size_t kMetricsSlots = 128;  // processes that count

// Why no listener follows the log.
enum class AwayReason : std::uint32_t {
  kNone,  // a listener does, or none has tried yet
  kCannotConnect,
  kLostConnection,
  kUnusable,        // the schema, or the rights on it
  kNoNotification,  // a pooler
  kRejected         // a statement
};

// "How many subscribers has the channel with this hash?": see ChannelCensus.
struct SharedQuestion {
  struct Answer {
    std::atomic<std::uint64_t> number;  // of the question; UINT64_MAX: the process has no subscribers any more
    std::atomic<std::uint64_t> subscribers;
  };
  Lease asker;
  std::atomic<std::uint64_t> number;  // of the newest question
  std::atomic<std::uint64_t> hash;
  std::atomic<std::int64_t> uncounted_ms;  // when there last was a process without a slot, which cannot answer
  Answer answers[kMetricsSlots];           // by the process's slot for metrics
};

// When a connection of the workers' pools for one database last could not be opened, and when one was opened: times
// since the Unix epoch in milliseconds, 0: never.
struct PoolTroubles {
  std::atomic<std::int64_t> connect_failed_ms;
  std::atomic<std::int64_t> connected_ms;
};

// The last troubles of the instance, for the status page: times as above. Each is one plain store where the log line
// about it is written.
struct SharedTroubles {
  std::atomic<std::int64_t> unnotified_ms;     // when events came without a notification
  std::atomic<std::int64_t> notified_ms;       // when a notification came
  std::atomic<std::int64_t> prune_failing_ms;  // since when each prune has failed; 0: the last one has not
  PoolTroubles pool;
  PoolTroubles primary;
};

// What the lease owner knows of a copy of the log; kUnknownValue where it does not.
struct SharedCopy {
  std::atomic<std::uint64_t> is_copy;     // 1: the database is one
  std::atomic<std::uint64_t> is_running;  // 1: a process applies what the primary sends
  std::atomic<std::uint64_t> errors;      // of the subscription
  std::atomic<std::uint64_t> lag_ids;     // as the primary says
  std::atomic<std::uint64_t> lag_ms;
};

// A place (postgres/places.hpp) that failed in one of the workers, so that the others do not wait for it as well.
struct SharedFailure {
  std::atomic<std::uint64_t> place;  // a hash of it; 0: none
  std::atomic<std::int64_t> at;      // monotonic ms
};

inline constexpr std::size_t kSharedFailures = 8;

// The fixed part at the start of the block; ring, wait ids, revocations and metrics follow. Counters only grow, unless
// noted.
struct SharedRoot {
  int wake_fd;                              // eventfd, inherited by every worker of every generation
  std::atomic<std::uint32_t> starts;        // numbers the processes, for owner words
  std::atomic<std::uint32_t> connected;     // 1 while a listener follows the log
  std::atomic<std::int64_t> away_since;     // when the listener lost the database (monotonic ms); 0: it follows the log
  std::atomic<AwayReason> away_reason;      // why the last attempt to follow the log ended
  std::atomic<std::uint64_t> forced_epoch;  // ring epoch in which the log proved to be restored to an earlier state
  std::atomic<std::uint64_t> last_control;  // id of the newest event on kControlChannel; smaller again after a restore
  std::atomic<std::uint64_t> revocation_loads;  // how often the revocations were read from the database
  std::atomic<std::uint64_t> last_listener;     // owner word of the process that took the lease last
  std::atomic<std::uint64_t> log_head;  // the newest id in the log that a listener knows of; smaller after a restore
  std::atomic<std::int64_t> read_ms;    // when a listener last read the log to its end, since the Unix epoch; 0: never
  std::atomic<std::int64_t> read_at;    // the same on the monotonic clock
  std::atomic<std::int64_t> pruned_ms;  // when this instance last pruned the log, since the Unix epoch; 0: never
  SharedTroubles troubles;
  SharedCopy copy;
  Lease lease;
  SharedQuestion question;
  char addresses[4096];       // the last ones of the database's hosts (postgres/hosts.hpp), under the lock
  std::int64_t addresses_at;  // when they were found (monotonic ms)
  SharedFailure failures[kSharedFailures];
  void* ring;
  std::size_t ring_bytes;
  void* wait_ids;
  void* revocations[2];  // see SharedRevocations
  void* metrics;         // see MetricsSlots
};

// Adds the zone for a database to the configuration; its size follows from the ring's. Null on an error. The name
// carries a layout version and a digest of the connection, so that a changed database or module starts afresh.
ngx_shm_zone_t* add_zone(ngx_conf_t* cf, const ngx_str_t& database, const char* const* keywords,
                         const char* const* values, std::size_t ring_size);

SharedRoot* zone_root(ngx_shm_zone_t* zone) noexcept;

// The lock under which the ring is written. nginx's master releases it if the process that locked it dies.
class ZoneLock {
 public:
  explicit ZoneLock(ngx_shm_zone_t* zone) noexcept;
  ~ZoneLock();
  ZoneLock(const ZoneLock&) = delete;
  ZoneLock& operator=(const ZoneLock&) = delete;

 private:
  ngx_shmtx_t* mutex_;
};

}  // namespace pgevents::nginx
