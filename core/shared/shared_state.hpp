// What the workers of one nginx instance share besides the ring: the listener's lease and the wait ids in use.
// Plain data in shared memory; all calls are safe between processes, some of which may be killed at any point.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/shared/siphash.hpp"

namespace pgevents {

// The lease on the listener's role: any worker may take it when the owner gave it up, died or stopped renewing it.
// Times are monotonic milliseconds, the same clock in all processes.
struct Lease {
  // Holder identification: pid and a number that is unique per process start (0 = free).
  // try_acquire: true when this process holds the lease afterwards (newly or still; renews it).
  bool try_acquire(std::uint64_t owner, std::int64_t now_ms, std::int64_t ttl_ms) noexcept;
  // For who has it: true when nobody else has had it since; then it is renewed. False also when it is free again by
  // now.
  bool renew(std::uint64_t owner, std::int64_t now_ms, std::int64_t ttl_ms) noexcept;
  bool owned_by(std::uint64_t owner) const noexcept;
  void release(std::uint64_t owner) noexcept;  // no effect when somebody else holds it

  std::atomic<std::uint64_t> owner{0};
  std::atomic<std::int64_t> until_ms{0};
};

// A owner word: pid in the low 32 bits, the process's start number in the high ones.
constexpr std::uint64_t owner_word(std::uint32_t pid, std::uint32_t start) noexcept {
  return (std::uint64_t{start} << 32) | pid;
}
// True when the process of a owner word surely exists no more (kill(pid, 0) says ESRCH).
bool owner_is_dead(std::uint64_t owner) noexcept;

// Fixed table of the wait ids that a request waits on, in blocks of slots. A wait id has its place in one block only,
// which is searched and changed under the block's spin word; a owner of that word who was killed is passed over. A
// full block, or a spin word that stays taken, lets the request wait as if it had no wait id (never refuse service for
// want of a slot).
class WaitIds {
 public:
  enum class Result { kAcquired, kBusy, kNoRoom };
  // slots: a multiple of 16. `memory` is aligned to 8 bytes. attach() returns false when it holds no table of this
  // size.
  static std::size_t memory_size(std::size_t slots) noexcept;
  // `key` is that of the hash, by which alone wait ids are compared; it stays in the memory for all who attach.
  void create(void* memory, std::size_t slots, const SipKey& key) noexcept;
  bool attach(void* memory, std::size_t slots) noexcept;
  // A slot whose owner is dead counts as free. `slot` is what release() needs; it is set with kAcquired only.
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
