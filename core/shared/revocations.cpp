// The table of revocations. A slot's version is odd while it changes to another user. Readers then treat it as empty,
// which is right: the floor already covers the user who lost it. For the same reason a slot left by a killed writer is
// harmless; the next writer overwrites it. A change that keeps the slot's user is one store.
#include "core/shared/revocations.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace pgevents {
namespace {

using Word = std::atomic<std::uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 8, "shared words need lock-free 64-bit atomics");

constexpr std::uint64_t kMagic = 0x736b6f766572;  // "revoks"
constexpr std::size_t kSlotsPerBlock = 16;

std::size_t blocks_of(std::size_t slots) noexcept {
  return std::max<std::size_t>(1, slots / kSlotsPerBlock);
}

}  // namespace

struct Revocations::Header {
  Word magic;  // set last by create()
  Word blocks;
  std::atomic<std::int64_t> floor_us;  // tokens of all users issued before it are rejected
};

struct Revocations::Slot {
  Word version;  // odd: free
  Word digest[2];
  std::atomic<std::int64_t> before_us;  // 0: free

  bool is_of(const std::uint64_t (&user)[2]) const noexcept {
    return digest[0].load(std::memory_order_relaxed) == user[0] && digest[1].load(std::memory_order_relaxed) == user[1];
  }
  // Exact for the writer, which alone changes slots.
  bool is_free() const noexcept { return version.load() % 2 == 1 || before_us.load() == 0; }
  void assign(const std::uint64_t (&user)[2], std::int64_t time_us) noexcept;
  std::int64_t time_of(const std::uint64_t (&user)[2]) const noexcept;
};

// SHA-256 of the name: its first half stands for the user, the rest selects the two blocks. Names with equal digests
// cannot be found, so no user can revoke another user's tokens that way.
struct Revocations::UserKey {
  std::uint64_t user[2] = {};
  std::uint64_t blocks[2] = {};
  bool known = false;

  UserKey(std::string_view name, std::size_t block_count) noexcept {
    std::array<std::uint64_t, 4> digest;
    static_assert(sizeof digest == 32);
    auto* const bytes = reinterpret_cast<unsigned char*>(digest.data());
    known = EVP_Digest(name.data(), name.size(), bytes, nullptr, EVP_sha256(), nullptr) == 1;
    if (!known) {
      return;
    }
    std::copy_n(digest.data(), 2, user);
    for (int i = 0; i < 2; ++i) {
      blocks[i] = digest[2 + i] % block_count;
    }
  }
};

// --- memory ---

std::size_t Revocations::memory_size(std::size_t slots) noexcept {
  return sizeof(Header) + blocks_of(slots) * kSlotsPerBlock * sizeof(Slot);
}

void Revocations::use(void* memory, std::size_t slots) noexcept {
  header_ = static_cast<Header*>(memory);
  slots_ = reinterpret_cast<Slot*>(header_ + 1);
  blocks_ = blocks_of(slots);
}

void Revocations::create(void* memory, std::size_t slots) noexcept {
  use(memory, slots);
  header_->magic.store(0);
  for (Slot* slot = slots_; slot != slots_ + blocks_ * kSlotsPerBlock; ++slot) {
    slot->version.store(0, std::memory_order_relaxed);
    slot->before_us.store(0, std::memory_order_relaxed);
  }
  header_->floor_us.store(0);
  header_->blocks.store(blocks_);
  header_->magic.store(kMagic);
}

bool Revocations::attach(void* memory, std::size_t slots) noexcept {
  const auto* header = static_cast<const Header*>(memory);
  if (header->magic.load() != kMagic || header->blocks.load() != blocks_of(slots)) {
    return false;
  }
  use(memory, slots);
  return true;
}

// --- slots ---

void Revocations::Slot::assign(const std::uint64_t (&user)[2], std::int64_t time_us) noexcept {
  const std::uint64_t odd = version.load(std::memory_order_relaxed) | 1;
  version.store(odd, std::memory_order_release);  // a reader that sees it also sees the floor raised before
  std::atomic_thread_fence(std::memory_order_release);
  digest[0].store(user[0], std::memory_order_relaxed);
  digest[1].store(user[1], std::memory_order_relaxed);
  before_us.store(time_us, std::memory_order_relaxed);
  version.store(odd + 1, std::memory_order_release);
}

// 0 if the slot is not the user's. Each further round means that the slot changed to another user meanwhile.
std::int64_t Revocations::Slot::time_of(const std::uint64_t (&user)[2]) const noexcept {
  for (;;) {
    const std::uint64_t seen = version.load(std::memory_order_acquire);
    if (seen % 2 == 1) {
      return 0;
    }
    const std::int64_t time_us = is_of(user) ? before_us.load(std::memory_order_relaxed) : 0;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version.load(std::memory_order_relaxed) == seen) {
      return time_us;
    }
  }
}

// --- writer ---

Revocations::Slot* Revocations::find(const UserKey& key) const noexcept {
  for (const std::uint64_t block : key.blocks) {
    Slot* const first = slots_ + block * kSlotsPerBlock;
    Slot* const last = first + kSlotsPerBlock;
    Slot* const slot = std::find_if(first, last, [&](const Slot& s) { return !s.is_free() && s.is_of(key.user); });
    if (slot != last) {
      return slot;
    }
  }
  return nullptr;
}

void Revocations::raise_floor(std::int64_t before_us) noexcept {
  if (before_us > header_->floor_us.load()) {
    header_->floor_us.store(before_us);
  }
}

// A free slot of the emptier block, else the slot of the oldest entry; null if the new entry is the oldest.
Revocations::Slot* Revocations::make_room(const UserKey& key, std::int64_t before_us) noexcept {
  Slot* free = nullptr;
  std::ptrdiff_t most_room = 0;
  Slot* oldest = nullptr;
  for (const std::uint64_t block : key.blocks) {
    Slot* const first = slots_ + block * kSlotsPerBlock;
    Slot* const last = first + kSlotsPerBlock;
    const auto room = std::count_if(first, last, [](const Slot& s) { return s.is_free(); });
    if (room > most_room) {
      most_room = room;
      free = std::find_if(first, last, [](const Slot& s) { return s.is_free(); });
    }
    Slot* const old = std::min_element(
        first, last, [](const Slot& a, const Slot& b) { return a.before_us.load() < b.before_us.load(); });
    if (oldest == nullptr || old->before_us.load() < oldest->before_us.load()) {
      oldest = old;
    }
  }
  if (free != nullptr) {
    return free;
  }
  raise_floor(std::min(before_us, oldest->before_us.load()));
  return before_us < oldest->before_us.load() ? nullptr : oldest;
}

void Revocations::set(std::string_view user, std::int64_t before_us) noexcept {
  before_us = std::max<std::int64_t>(before_us, 0);
  const UserKey key(user, blocks_);
  if (!key.known) {
    return raise_floor(before_us);
  }
  if (Slot* const slot = find(key)) {
    return slot->before_us.store(before_us, std::memory_order_release);
  }
  if (before_us == 0) {
    return;
  }
  if (Slot* const slot = make_room(key, before_us)) {
    slot->assign(key.user, before_us);
  }
}

// --- readers ---

std::size_t Revocations::used() const noexcept {
  const Slot* const first = slots_;
  const Slot* const last = first + blocks_ * kSlotsPerBlock;
  return static_cast<std::size_t>(std::count_if(first, last, [](const Slot& s) { return !s.is_free(); }));
}

// The floor is read last: it then covers every user who lost their slot before it was read.
bool Revocations::rejects(std::string_view user, std::int64_t issued_us) const noexcept {
  const UserKey key(user, blocks_);
  if (!key.known) {
    return true;  // no memory for the digest: rejects too many, never too few
  }
  std::int64_t before_us = 0;
  for (const std::uint64_t block : key.blocks) {
    const Slot* const first = slots_ + block * kSlotsPerBlock;
    for (const Slot* slot = first; slot != first + kSlotsPerBlock && before_us == 0; ++slot) {
      before_us = slot->time_of(key.user);
    }
  }
  const std::int64_t floor_us = header_->floor_us.load(std::memory_order_acquire);
  return std::max<std::int64_t>(issued_us, 0) < std::max(before_us, floor_us);
}

}  // namespace pgevents
