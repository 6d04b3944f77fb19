// See counters.hpp.
#include "fcgi_fallback/counters.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <new>

#include "core/shared/shared_state.hpp"
#include "core/status/json.hpp"
#include "core/status/prometheus.hpp"
#include "core/version.hpp"

namespace pgevents::fallback {
namespace {

constexpr std::string_view kStatementPrefix = "pgevents_";

// The place in kCountedStatements; the last one for any other name.
std::size_t statement_index(std::string_view name) noexcept {
  constexpr std::size_t kOther = std::size(kCountedStatements) - 1;
  if (name.substr(0, kStatementPrefix.size()) != kStatementPrefix) {
    return kOther;
  }
  name.remove_prefix(kStatementPrefix.size());
  std::size_t at = 0;
  while (at < kOther && name != kCountedStatements[at]) {
    ++at;
  }
  return at;
}

}  // namespace

// The kernel gives pages of zeros.
Counters::Counters(std::size_t slots) : count_(slots) {
  if (slots == 0) {
    return;
  }
  void* const memory = mmap(nullptr, slots * sizeof(Slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  slots_ = static_cast<Slot*>(memory);
}

Counters::~Counters() {
  if (mine_ != nullptr) {
    mine_->pid.store(0, std::memory_order_relaxed);
  }
  if (slots_ != nullptr) {
    munmap(slots_, count_ * sizeof(Slot));
  }
}

void Counters::use(std::size_t slot) noexcept {
  if (slot < count_) {
    mine_ = slots_ + slot;
    mine_->pid.store(static_cast<std::uint64_t>(getpid()), std::memory_order_relaxed);
  }
}

void Counters::observe_query(std::string_view statement, std::int64_t us) noexcept {
  if (MetricWord* const series = series_of(Counter::kQueryDuration, statement_index(statement))) {
    observe_in(series, us);
  }
}

void Counters::sum(Sums& to) const noexcept {
  std::uint64_t processes = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    processes += owner_is_dead(slots_[i].pid.load(std::memory_order_relaxed)) ? 0 : 1;
    add_words(to.words, slots_[i].words, kWords);
  }
  to.words[first_word_in(kCounters, static_cast<std::size_t>(Counter::kProcesses))] = processes;
}

std::string Counters::prometheus() const {
  const auto sums = std::make_unique<Sums>();
  sum(*sums);
  std::string out;
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    append_prometheus(out, kCounterPrefix, kCounters[i], {{{}, sums->words + first_word_in(kCounters, i)}});
  }
  return out;
}

std::string Counters::json() const {
  const auto sums = std::make_unique<Sums>();
  sum(*sums);
  std::string out = "{\"version\":\"" + std::string(kVersion) + '"';
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    append_json_metric(out += ',', kCounters[i], sums->words + first_word_in(kCounters, i));
  }
  return out += "}\n";
}

}  // namespace pgevents::fallback
