// The shared memory of one database: the ring, the listener's lease, the wait ids, the revocations and the eventfd that
// wakes every worker. It lives as long as the instance's master process and survives reloads.
#pragma once

#include "ngx_module/nginx.hpp"

#include <atomic>
#include <cstdint>

#include "core/shared/ring.hpp"
#include "core/shared/shared_state.hpp"

namespace pgevents::nginx {

inline constexpr std::size_t kWaitIdSlots = 16384;
inline constexpr std::size_t kRevocationSlots = 16384;

// The fixed part at the start of the block; ring, wait ids and revocations follow. Counters only grow, unless noted.
struct SharedRoot {
  int wake_fd;                              // eventfd, inherited by every worker of every generation
  std::atomic<std::uint32_t> starts;        // numbers the processes, for owner words
  std::atomic<std::uint32_t> connected;     // 1 while a listener follows the log
  std::atomic<std::int64_t> away_since;     // when the listener lost the database (monotonic ms); 0: it follows the log
  std::atomic<std::uint64_t> forced_epoch;  // ring epoch in which the log proved to be restored to an earlier state
  std::atomic<std::uint64_t> last_control;  // id of the newest event on kControlChannel; smaller again after a restore
  std::atomic<std::uint64_t> revocation_loads;  // how often the revocations were read from the database
  Lease lease;
  void* ring;
  std::size_t ring_bytes;
  void* wait_ids;
  void* revocations[2];  // see SharedRevocations
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
