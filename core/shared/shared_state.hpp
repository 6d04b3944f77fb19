// What the workers of one nginx instance share besides the ring: the listener's lease and the wait ids in use.
// Plain data in shared memory; all calls are safe between processes, some of which may be killed at any point.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/shared/siphash.hpp"

namespace pgevents {

// The lease on the listener's role: any worker may take it after the owner gave it up, died or stopped renewing it.
// Times are monotonic milliseconds, the same clock in all processes.
struct Lease {
  // Owners are identified by owner_word() (0: free). True if `owner` owns the lease afterwards (newly or still; renews
  // it).
  bool try_acquire(std::uint64_t owner, std::int64_t now_ms, std::int64_t ttl_ms) noexcept;
  // Renews the lease; true if no other worker has owned it since `owner` acquired it. False also if it is free again.
  bool renew(std::uint64_t owner, std::int64_t now_ms, std::int64_t ttl_ms) noexcept;
  bool owned_by(std::uint64_t owner) const noexcept;
  void release(std::uint64_t owner) noexcept;  // no effect if another process owns it

  std::atomic<std::uint64_t> owner{0};
  std::atomic<std::int64_t> until_ms{0};
};

// Identifies a process: pid in the low 32 bits, the number of its start in the high ones.
constexpr std::uint64_t owner_word(std::uint32_t pid, std::uint32_t start) noexcept {
  return (std::uint64_t{start} << 32) | pid;
}
// True if the process of an owner word certainly no longer exists (kill(pid, 0) fails with ESRCH).
bool owner_is_dead(std::uint64_t owner) noexcept;

// Fixed table of the wait ids that a request waits on, in blocks of slots. A wait id belongs to one block, which is
// searched and changed under the block's spin word; the lock of a killed owner is ignored. With a full block, or a spin
// word that stays locked, the request waits as if it had no wait id (never reject a request for lack of a slot).
class WaitIds {
 public:
  enum class Result { kAcquired, kBusy, kNoRoom };
  // slots: a multiple of 16. `memory` is aligned to 8 bytes. attach() returns false if it does not contain a table of
  // this size.
  static std::size_t memory_size(std::size_t slots) noexcept;
  // `key` is that of the hash, and only hashes of wait ids are compared; it stays in the memory for all processes that
  // attach.
  void create(void* memory, std::size_t slots, const SipKey& key) noexcept;
  bool attach(void* memory, std::size_t slots) noexcept;
  // A slot whose owner is dead counts as free. Sets `slot`, the argument of release(), with kAcquired only.
  Result acquire(std::string_view wait_id, std::uint64_t owner, std::uint32_t& slot) noexcept;
  void release(std::uint32_t slot, std::uint64_t owner) noexcept;

 private:
  struct Header;
  struct Slot;
  using Lock = std::atomic<std::uint64_t>;  // owner word of the process that searches the block

  void use(void* memory, std::size_t slots) noexcept;
  Result acquire_in_block(std::size_t block, std::uint64_t hash, std::uint64_t owner, std::uint32_t& slot) noexcept;

  Lock* locks_ = nullptr;
  Slot* slots_ = nullptr;
  std::size_t blocks_ = 0;
  SipKey key_;
};

}  // namespace pgevents
