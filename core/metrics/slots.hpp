// The counters of all processes in shared memory: one slot for each, which only its owner writes. A process claims a
// slot at its start and releases it at its end. Counters are never reset, the next owner adds to them: so the sums over
// all slots only grow, whichever processes come and go. Gauges are those of living owners.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/metrics/metrics.hpp"
#include "core/metrics/snapshot.hpp"

namespace pgevents {

class MetricsSlots {
 public:
  // True if the process of an owner word certainly no longer exists. Owner words: see shared_state.hpp; 0 is none.
  using IsDead = bool (*)(std::uint64_t owner) noexcept;

  // `memory` is aligned to 64 bytes. attach() returns false if it does not contain slots of this layout and number.
  static std::size_t memory_size(std::size_t slots) noexcept;
  void create(void* memory, std::size_t slots) noexcept;
  bool attach(void* memory, std::size_t slots) noexcept;

  // Takes a free slot, after release_dead(); its gauges are 0 then. Nothing if all are taken.
  std::optional<std::size_t> claim(std::uint64_t owner, IsDead is_dead) noexcept;
  // Releases the slots of dead owners, and those of former processes with the pid of `self`. Without it a dead owner's
  // gauges would count again as soon as the system gives its pid to another process. Any process may call it at any
  // time.
  void release_dead(std::uint64_t self, IsDead is_dead) noexcept;
  // Sets the gauges to 0, and the slot is free. No effect if `owner` does not own it.
  void release(std::size_t slot, std::uint64_t owner) noexcept;
  // The kSlotWords words of a slot.
  MetricWord* words(std::size_t slot) const noexcept;

  // Adds the counters of all slots and the gauges of those with a living owner.
  void sum(MetricsSnapshot& to, IsDead is_dead) const noexcept;
  // Adds what one slot has.
  void read(std::size_t slot, MetricsSnapshot& to) const noexcept;

  std::size_t size() const noexcept { return count_; }
  // 0: free.
  std::uint64_t owner(std::size_t slot) const noexcept;

 private:
  struct Header;
  struct Slot;

  void use(void* memory, std::size_t slots) noexcept;
  void zero_gauges(std::size_t slot) noexcept;

  Header* header_ = nullptr;
  MetricWord* owners_ = nullptr;
  Slot* slots_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace pgevents
