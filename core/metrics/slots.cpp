// See slots.hpp.
#include "core/metrics/slots.hpp"

#include <new>

namespace pgevents {
namespace {

constexpr std::uint64_t kMagic = 0x7363697274656d;  // "metrics"
constexpr std::size_t kCacheLine = 64;

constexpr std::size_t round_up(std::size_t bytes) noexcept {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

constexpr std::uint64_t pid_of(std::uint64_t owner) noexcept {
  return owner & 0xffffffff;
}

}  // namespace

struct alignas(kCacheLine) MetricsSlots::Header {
  MetricWord magic;  // set last by create()
  MetricWord slots;
  MetricWord words;  // of a slot
};

// No two processes write into the same cache line.
struct alignas(kCacheLine) MetricsSlots::Slot {
  MetricWord words[kSlotWords];
};

std::size_t MetricsSlots::memory_size(std::size_t slots) noexcept {
  return sizeof(Header) + round_up(slots * sizeof(MetricWord)) + slots * sizeof(Slot);
}

void MetricsSlots::use(void* memory, std::size_t slots) noexcept {
  auto* bytes = static_cast<char*>(memory);
  header_ = reinterpret_cast<Header*>(bytes);
  owners_ = reinterpret_cast<MetricWord*>(bytes + sizeof(Header));
  slots_ = reinterpret_cast<Slot*>(bytes + sizeof(Header) + round_up(slots * sizeof(MetricWord)));
  count_ = slots;
}

void MetricsSlots::create(void* memory, std::size_t slots) noexcept {
  use(memory, slots);
  header_->magic.store(0);
  for (std::size_t i = 0; i < slots; ++i) {
    owners_[i].store(0, std::memory_order_relaxed);
    for (MetricWord& word : slots_[i].words) {
      word.store(0, std::memory_order_relaxed);
    }
  }
  header_->slots.store(slots);
  header_->words.store(kSlotWords);
  header_->magic.store(kMagic);
}

bool MetricsSlots::attach(void* memory, std::size_t slots) noexcept {
  const auto* header = static_cast<const Header*>(memory);
  if (header->magic.load() != kMagic || header->slots.load() != slots || header->words.load() != kSlotWords) {
    return false;
  }
  use(memory, slots);
  return true;
}

std::optional<std::size_t> MetricsSlots::claim(std::uint64_t owner, IsDead is_dead) noexcept {
  release_dead(owner, is_dead);
  for (std::size_t i = 0; i < count_; ++i) {
    std::uint64_t none = 0;
    if (owners_[i].compare_exchange_strong(none, owner)) {
      zero_gauges(i);
      return i;
    }
  }
  return std::nullopt;
}

// Writes no gauge: the slot may have its next owner already, if another process released it at the same time. Owner
// words are unique, so the exchange releases the dead owner's slot or nothing. The gauges of a free slot do not count,
// and claim() sets them to 0.
void MetricsSlots::release_dead(std::uint64_t self, IsDead is_dead) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    std::uint64_t current = owners_[i].load(std::memory_order_acquire);
    if (current != 0 && current != self && (pid_of(current) == pid_of(self) || is_dead(current))) {
      owners_[i].compare_exchange_strong(current, 0);
    }
  }
}

void MetricsSlots::release(std::size_t slot, std::uint64_t owner) noexcept {
  if (this->owner(slot) == owner) {
    zero_gauges(slot);
    owners_[slot].compare_exchange_strong(owner, 0);
  }
}

void MetricsSlots::zero_gauges(std::size_t slot) noexcept {
  for (std::size_t word = kFirstGaugeWord; word < kSlotWords; ++word) {
    slots_[slot].words[word].store(0, std::memory_order_relaxed);
  }
}

MetricWord* MetricsSlots::words(std::size_t slot) const noexcept {
  return slots_[slot].words;
}

std::uint64_t MetricsSlots::owner(std::size_t slot) const noexcept {
  return owners_[slot].load(std::memory_order_acquire);
}

void MetricsSlots::read(std::size_t slot, MetricsSnapshot& to) const noexcept {
  to.add(slots_[slot].words, kSlotWords);
}

void MetricsSlots::sum(MetricsSnapshot& to, IsDead is_dead) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint64_t owner = this->owner(i);
    const bool lives = owner != 0 && !is_dead(owner);
    to.add(slots_[i].words, lives ? kSlotWords : kFirstGaugeWord);
  }
}

}  // namespace pgevents
