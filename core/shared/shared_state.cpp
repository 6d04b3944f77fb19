// The listener's lease and the table of wait ids, in memory shared by the workers of an nginx instance. A worker may be
// killed after every step: a lease, slot or lock whose owner is dead counts as free.
#include "core/shared/shared_state.hpp"

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace pgevents {
namespace {

constexpr std::uint64_t kMagic = 0x32737469617765;  // "waits2"
constexpr std::size_t kSlotsPerBlock = 16;

constexpr std::uint32_t pid_of(std::uint64_t owner) noexcept {
  return static_cast<std::uint32_t>(owner);
}

// Like owner_is_dead(), and right for our own pid too: with another start number it names a former process.
bool is_gone(std::uint64_t owner, std::uint64_t me) noexcept {
  if (owner == 0) {
    return true;
  }
  if (pid_of(owner) == pid_of(me)) {
    return owner != me;
  }
  return owner_is_dead(owner);
}

}  // namespace

bool owner_is_dead(std::uint64_t owner) noexcept {
  const std::uint32_t pid = pid_of(owner);
  // Neither is a pid; kill() would address process groups.
  if (pid == 0 || pid > static_cast<std::uint32_t>(std::numeric_limits<pid_t>::max())) {
    return true;
  }
  return kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

// --- lease ---

// A worker that wants an expired lease must first change `until_ms`: its success means that no other worker changed it,
// and that the former owner did not renew meanwhile.
bool Lease::try_acquire(std::uint64_t me, std::int64_t now_ms, std::int64_t ttl_ms) noexcept {
  std::uint64_t current = owner.load(std::memory_order_acquire);
  std::int64_t until = until_ms.load(std::memory_order_acquire);
  if (current == me) {
    return renew(me, now_ms, ttl_ms);
  }
  if (current != 0 && until > now_ms && !is_gone(current, me)) {
    return false;
  }
  if (!until_ms.compare_exchange_strong(until, now_ms + ttl_ms)) {
    return false;
  }
  return owner.compare_exchange_strong(current, me);
}

// The owner word is unique: a worker that took the lease has replaced it, and only try_acquire() would restore it.
bool Lease::renew(std::uint64_t me, std::int64_t now_ms, std::int64_t ttl_ms) noexcept {
  if (!owned_by(me)) {
    return false;
  }
  std::int64_t until = until_ms.load(std::memory_order_acquire);
  until_ms.compare_exchange_strong(until, now_ms + ttl_ms);
  return owned_by(me);
}

bool Lease::owned_by(std::uint64_t me) const noexcept {
  return owner.load(std::memory_order_acquire) == me;
}

void Lease::release(std::uint64_t me) noexcept {
  owner.compare_exchange_strong(me, 0);
}

// --- wait ids ---

struct WaitIds::Header {
  std::atomic<std::uint64_t> magic;  // set last by create()
  std::atomic<std::uint64_t> blocks;
  std::atomic<std::uint64_t> key[2];
};

// Free while `owner` is 0 or gone; then `hash` means nothing.
struct WaitIds::Slot {
  std::atomic<std::uint64_t> hash;
  std::atomic<std::uint64_t> owner;
};

namespace {

// The spin word is locked for tens of nanoseconds, so the first try nearly always succeeds. Giving up is harmless.
bool lock(std::atomic<std::uint64_t>& word, std::uint64_t me) noexcept {
  constexpr int kTries = 200;
  constexpr int kTriesWithoutPause = 100;
  for (int i = 0; i < kTries; ++i) {
    std::uint64_t current = word.load(std::memory_order_relaxed);
    const bool may_take = current == 0 || (i >= kTriesWithoutPause && is_gone(current, me));
    if (may_take && word.compare_exchange_strong(current, me, std::memory_order_acquire)) {
      return true;
    }
    if (i >= kTriesWithoutPause) {
      sched_yield();
    }
  }
  return false;
}

void unlock(std::atomic<std::uint64_t>& word) noexcept {
  word.store(0, std::memory_order_release);
}

}  // namespace

std::size_t WaitIds::memory_size(std::size_t slots) noexcept {
  const std::size_t blocks = std::max<std::size_t>(1, slots / kSlotsPerBlock);
  return sizeof(Header) + blocks * (sizeof(Lock) + kSlotsPerBlock * sizeof(Slot));
}

void WaitIds::use(void* memory, std::size_t slots) noexcept {
  blocks_ = std::max<std::size_t>(1, slots / kSlotsPerBlock);
  locks_ = reinterpret_cast<Lock*>(static_cast<Header*>(memory) + 1);
  slots_ = reinterpret_cast<Slot*>(locks_ + blocks_);
}

void WaitIds::create(void* memory, std::size_t slots, const SipKey& key) noexcept {
  auto* header = static_cast<Header*>(memory);
  header->magic.store(0);
  use(memory, slots);
  for (std::size_t i = 0; i < blocks_; ++i) {
    locks_[i].store(0);
  }
  for (std::size_t i = 0; i < blocks_ * kSlotsPerBlock; ++i) {
    slots_[i].owner.store(0);
  }
  header->blocks.store(blocks_);
  for (int i = 0; i < 2; ++i) {
    header->key[i].store(key.words[i]);
  }
  key_ = key;
  header->magic.store(kMagic);
}

bool WaitIds::attach(void* memory, std::size_t slots) noexcept {
  const auto* header = static_cast<const Header*>(memory);
  if (header->magic.load() != kMagic) {
    return false;
  }
  if (header->blocks.load() != std::max<std::size_t>(1, slots / kSlotsPerBlock)) {
    return false;
  }
  use(memory, slots);
  for (int i = 0; i < 2; ++i) {
    key_.words[i] = header->key[i].load();
  }
  return true;
}

WaitIds::Result WaitIds::acquire(std::string_view wait_id, std::uint64_t owner, std::uint32_t& slot) noexcept {
  const std::uint64_t hash = siphash(key_, wait_id);
  const std::size_t block = static_cast<std::size_t>(hash % blocks_);
  if (!lock(locks_[block], owner)) {
    return Result::kNoRoom;
  }
  const Result result = acquire_in_block(block, hash, owner, slot);
  unlock(locks_[block]);
  return result;
}

// The whole block is searched: a wait id may sit behind slots that became free after it came. A check whether an owner
// is alive costs a system call, so it is made only for the same wait id, and for all if no slot is free.
WaitIds::Result WaitIds::acquire_in_block(std::size_t block, std::uint64_t hash, std::uint64_t owner,
                                          std::uint32_t& slot) noexcept {
  Slot* const first = slots_ + block * kSlotsPerBlock;
  Slot* const last = first + kSlotsPerBlock;
  Slot* free = last;
  for (Slot* s = first; s != last; ++s) {
    const std::uint64_t current = s->owner.load(std::memory_order_acquire);
    if (current != 0 && s->hash.load(std::memory_order_relaxed) == hash && !is_gone(current, owner)) {
      return Result::kBusy;
    }
    if (current == 0 && free == last) {
      free = s;
    }
  }
  if (free == last) {
    free = std::find_if(first, last, [owner](const Slot& s) { return is_gone(s.owner.load(), owner); });
  }
  if (free == last) {
    return Result::kNoRoom;
  }
  free->hash.store(hash, std::memory_order_relaxed);
  free->owner.store(owner, std::memory_order_release);
  slot = static_cast<std::uint32_t>(free - slots_);
  return Result::kAcquired;
}

// Needs no spin word: only the owner gives up a slot while it lives.
void WaitIds::release(std::uint32_t slot, std::uint64_t owner) noexcept {
  if (slot < blocks_ * kSlotsPerBlock) {
    slots_[slot].owner.compare_exchange_strong(owner, 0);
  }
}

}  // namespace pgevents
