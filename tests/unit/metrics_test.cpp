// The metrics' table and layout, and the slots in which the processes count.
#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "checks.hpp"
#include "core/metrics/metrics.hpp"
#include "core/metrics/slots.hpp"
#include "core/shared/shared_state.hpp"
#include "race_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::size_t kSlots = 4;

bool nobody_is_dead(std::uint64_t) noexcept {
  return false;
}

bool all_are_dead(std::uint64_t) noexcept {
  return true;
}

bool is_dead(std::uint64_t owner) noexcept {
  return owner_is_dead(owner);
}

// Slots in zeroed memory of their own.
struct Table {
  explicit Table(std::size_t count = kSlots) : memory(MetricsSlots::memory_size(count) + 64) {
    slots.create(aligned(), count);
  }
  void* aligned() { return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) & ~63ULL); }
  Metrics counting_in(std::size_t slot) const { return Metrics(slots.words(slot)); }
  MetricsSnapshot sum(MetricsSlots::IsDead dead = nobody_is_dead) const {
    MetricsSnapshot values;
    slots.sum(values, dead);
    return values;
  }

  std::vector<char> memory;
  MetricsSlots slots;
};

// --- the table ---

START_TEST(every_metric_has_a_name_of_its_own_and_a_help) {
  std::set<std::string> names;
  for (const MetricInfo& info : kMetrics) {
    ck_assert(names.insert(info.name).second);
    ck_assert(info.help[0] != '\0');
    const std::string name(info.name);
    const bool total = name.size() > 6 && name.substr(name.size() - 6) == "_total";
    assert_that(total == (info.type == MetricType::kCounter), name);  // Prometheus' naming
  }
}
END_TEST

START_TEST(a_statement_has_the_label_of_its_name) {
  ck_assert(statement_label("pgevents_log_after") == StatementLabel::kLogAfter);
  ck_assert(statement_label("pgevents_publish_many") == StatementLabel::kPublishMany);
  ck_assert(statement_label("pgevents_report_presence_many") == StatementLabel::kReportPresenceMany);
  for (const char* const name : {"", "fetch", "pgevents_", "pgevents_listen", "pgevents_fetch2", "pgevents_other"}) {
    ck_assert(statement_label(name) == StatementLabel::kOther);
  }
}
END_TEST

START_TEST(every_label_has_as_many_words_as_its_enum) {
  ck_assert_uint_eq(std::size(kRequestKindWords), static_cast<std::size_t>(RequestKind::kCount));
  ck_assert_uint_eq(std::size(kStatusWords), static_cast<std::size_t>(StatusLabel::kCount));
  ck_assert_uint_eq(std::size(kAuthFaultWords), static_cast<std::size_t>(AuthFault::kCount));
  ck_assert_uint_eq(std::size(kResetReasonWords), static_cast<std::size_t>(ResetReason::kCount));
  ck_assert_uint_eq(std::size(kLagToWords), static_cast<std::size_t>(LagTo::kCount));
  ck_assert_uint_eq(std::size(kSubscriberKindWords), static_cast<std::size_t>(SubscriberKind::kCount));
  ck_assert_uint_eq(std::size(kPoolStateWords), static_cast<std::size_t>(PoolState::kCount));
  ck_assert_uint_eq(std::size(kRoomWords), static_cast<std::size_t>(Room::kCount));
  ck_assert_uint_eq(std::size(kStatementWords), static_cast<std::size_t>(StatementLabel::kCount));
}
END_TEST

START_TEST(a_status_has_the_label_of_its_number) {
  for (const int status : kCountedStatuses) {
    assert_text(kStatusWords[static_cast<std::size_t>(status_label(status))], std::to_string(status));
  }
  ck_assert(status_label(418) == StatusLabel::kOther);
  ck_assert(status_label(0) == StatusLabel::kOther);
}
END_TEST

// --- the layout ---

START_TEST(no_two_series_share_a_word) {
  std::vector<int> users(kMetricWords, 0);
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    const MetricInfo& info = kMetrics[i];
    for (std::size_t at0 = 0; at0 < info.labels[0].count; ++at0) {
      for (std::size_t at1 = 0; at1 < info.labels[1].count; ++at1) {
        for (std::size_t word = 0; word < words_of_series(info); ++word) {
          ++users.at(word_of(static_cast<Metric>(i), at0, at1) + word);
        }
      }
    }
  }
  ck_assert(users == std::vector<int>(kMetricWords, 1));
}
END_TEST

START_TEST(counters_and_histograms_come_before_gauges_and_these_before_the_instance) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(kFirstOfInstance); ++i) {
    const auto metric = static_cast<Metric>(i);
    ck_assert((info_of(metric).type == MetricType::kGauge) == (metric >= kFirstGauge));
  }
  ck_assert_uint_lt(kFirstGaugeWord, kSlotWords);
  ck_assert_uint_lt(kSlotWords, kMetricWords);
}
END_TEST

// --- counting ---

START_TEST(what_a_process_counts_is_in_the_sum) {
  Table table;
  Metrics metrics = table.counting_in(*table.slots.claim(me(), nobody_is_dead));
  metrics.add(Metric::kTokenCacheHits);
  metrics.add_many(92, Metric::kDeliveries);
  metrics.add(Metric::kRequests, RequestKind::kPublish, status_label(201));
  metrics.add(Metric::kRequests, RequestKind::kPublish, status_label(201));
  metrics.add(Metric::kRequests, RequestKind::kStream, status_label(401));
  const MetricsSnapshot sum = table.sum();
  ck_assert_uint_eq(sum.get(Metric::kTokenCacheHits), 1);
  ck_assert_uint_eq(sum.get(Metric::kDeliveries), 92);
  ck_assert_uint_eq(sum.get(Metric::kRequests, RequestKind::kPublish, status_label(201)), 2);
  ck_assert_uint_eq(sum.get(Metric::kRequests, RequestKind::kStream, status_label(401)), 1);
  ck_assert_uint_eq(sum.get(Metric::kRequests, RequestKind::kStream, status_label(201)), 0);
  ck_assert_uint_eq(sum.total(Metric::kRequests), 3);
  ck_assert_uint_eq(sum.total(Metric::kDeclined), 0);
}
END_TEST

START_TEST(a_gauge_rises_and_falls) {
  Table table;
  Metrics metrics = table.counting_in(*table.slots.claim(me(), nobody_is_dead));
  metrics.add(Metric::kSubscribers, SubscriberKind::kStream);
  metrics.add(Metric::kSubscribers, SubscriberKind::kStream);
  metrics.subtract(Metric::kSubscribers, SubscriberKind::kStream);
  metrics.set(7, Metric::kChannels);
  metrics.set(5, Metric::kChannels);
  const MetricsSnapshot sum = table.sum();
  ck_assert_uint_eq(sum.get(Metric::kSubscribers, SubscriberKind::kStream), 1);
  ck_assert_uint_eq(sum.get(Metric::kSubscribers, SubscriberKind::kLongPoll), 0);
  ck_assert_uint_eq(sum.get(Metric::kChannels), 5);
}
END_TEST

START_TEST(a_histogram_counts_a_value_in_the_first_bucket_that_holds_it) {
  Table table;
  Metrics metrics = table.counting_in(*table.slots.claim(me(), nobody_is_dead));
  const std::size_t series = word_of(Metric::kDeliveryLag, static_cast<std::size_t>(LagTo::kSocket));
  metrics.observe(0, Metric::kDeliveryLag, LagTo::kSocket);
  metrics.observe(-5'000, Metric::kDeliveryLag, LagTo::kSocket);
  metrics.observe(250, Metric::kDeliveryLag, LagTo::kSocket);
  metrics.observe(251, Metric::kDeliveryLag, LagTo::kSocket);
  metrics.observe(3'600'000'000, Metric::kDeliveryLag, LagTo::kSocket);
  const MetricsSnapshot sum = table.sum();
  ck_assert_uint_eq(sum.at(series), 3);
  ck_assert_uint_eq(sum.at(series + 1), 1);
  ck_assert_uint_eq(sum.at(series + kBucketCount - 1), 1);
  ck_assert_uint_eq(sum.at(series + kBucketCount), 3'600'000'501);
  ck_assert_uint_eq(sum.observations(series), 5);
  ck_assert_uint_eq(sum.total(Metric::kDeliveryLag), 5);
}
END_TEST

// --- slots ---

START_TEST(slots_are_found_again_in_the_same_memory_only) {
  Table table;
  table.counting_in(*table.slots.claim(me(), nobody_is_dead)).add(Metric::kResets, ResetReason::kAhead);
  MetricsSlots again;
  ck_assert(!again.attach(table.aligned(), kSlots + 1));
  ck_assert(again.attach(table.aligned(), kSlots));
  MetricsSnapshot sum;
  again.sum(sum, nobody_is_dead);
  ck_assert_uint_eq(sum.get(Metric::kResets, ResetReason::kAhead), 1);
  std::vector<char> zeroes(MetricsSlots::memory_size(kSlots) + 64);
  table.memory.swap(zeroes);
  ck_assert(!again.attach(table.aligned(), kSlots));
}
END_TEST

START_TEST(each_process_gets_a_slot_until_none_is_free) {
  Table table(2);
  const auto one = table.slots.claim(owner_word(101, 1), nobody_is_dead);
  const auto two = table.slots.claim(owner_word(102, 2), nobody_is_dead);
  ck_assert(one && two && *one != *two);
  ck_assert(!table.slots.claim(owner_word(103, 3), nobody_is_dead));
  table.slots.release(*one, owner_word(102, 2));  // not the owner
  ck_assert(!table.slots.claim(owner_word(103, 3), nobody_is_dead));
  table.slots.release(*one, owner_word(101, 1));
  ck_assert(table.slots.claim(owner_word(103, 3), nobody_is_dead) == one);
}
END_TEST

START_TEST(a_released_slot_keeps_its_counters_and_loses_its_gauges) {
  Table table(1);
  for (std::uint32_t n = 1; n <= 3; ++n) {
    const std::uint64_t owner = owner_word(100 + n, n);
    const std::size_t slot = *table.slots.claim(owner, nobody_is_dead);
    Metrics metrics = table.counting_in(slot);
    metrics.add_many(10, Metric::kDeliveries);
    metrics.observe(1'000, Metric::kQueryDuration, StatementLabel::kFetch);
    metrics.add(Metric::kSubscribers, SubscriberKind::kLongPoll);
    const MetricsSnapshot sum = table.sum();
    ck_assert_uint_eq(sum.get(Metric::kDeliveries), 10 * n);
    ck_assert_uint_eq(sum.total(Metric::kQueryDuration), n);
    ck_assert_uint_eq(sum.total(Metric::kSubscribers), 1);
    table.slots.release(slot, owner);
    ck_assert_uint_eq(table.sum().get(Metric::kDeliveries), 10 * n);
    ck_assert_uint_eq(table.sum().total(Metric::kSubscribers), 0);
  }
}
END_TEST

START_TEST(a_killed_owner_has_no_gauges_and_its_slot_is_free_for_the_next_process) {
  Table table(2);
  const std::uint64_t killed = owner_word(dead_pid(), 1);
  const std::size_t slot = *table.slots.claim(killed, is_dead);
  Metrics metrics = table.counting_in(slot);
  metrics.add_many(10, Metric::kDeliveries);
  metrics.set(3, Metric::kChannels);
  ck_assert_uint_eq(table.sum(nobody_is_dead).get(Metric::kChannels), 3);
  ck_assert_uint_eq(table.sum(is_dead).get(Metric::kChannels), 0);
  ck_assert_uint_eq(table.sum(is_dead).get(Metric::kDeliveries), 10);

  ck_assert(table.slots.claim(me(), is_dead) == slot);
  ck_assert_uint_eq(table.sum(is_dead).get(Metric::kChannels), 0);
  ck_assert_uint_eq(table.sum(is_dead).get(Metric::kDeliveries), 10);
}
END_TEST

// Afterwards every pid exists, as if the system had given each to a new process.
START_TEST(releasing_the_dead_drops_their_gauges_for_good_and_keeps_their_counters) {
  const struct {
    const char* what;
    std::uint64_t owner;
    MetricsSlots::IsDead is_dead;
    std::uint64_t self;
    bool released;
  } rows[] = {
      {"alive", owner_word(101, 1), nobody_is_dead, owner_word(200, 9), false},
      {"dead", owner_word(101, 1), all_are_dead, owner_word(200, 9), true},
      {"dead, and its pid is that of the process that releases", owner_word(101, 1), nobody_is_dead, owner_word(101, 9),
       true},
      {"the process that releases", owner_word(101, 1), all_are_dead, owner_word(101, 1), false},
  };
  for (const auto& row : rows) {
    for (const bool twice : {false, true}) {
      Table table(2);
      const std::size_t slot = *table.slots.claim(row.owner, nobody_is_dead);
      table.counting_in(slot).set(3, Metric::kChannels);
      table.counting_in(slot).add_many(10, Metric::kDeliveries);
      table.slots.release_dead(row.self, row.is_dead);
      if (twice) {
        table.slots.release_dead(row.self, row.is_dead);
      }
      assert_that(table.slots.owner(slot) == (row.released ? 0 : row.owner), row.what);
      assert_that(table.sum(nobody_is_dead).get(Metric::kChannels) == (row.released ? 0 : 3), row.what);
      assert_that(table.sum(nobody_is_dead).get(Metric::kDeliveries) == 10, row.what);
    }
  }
}
END_TEST

START_TEST(a_process_that_starts_releases_all_that_were_killed) {
  Table table(4);
  for (std::uint32_t start = 1; start <= 3; ++start) {
    const auto slot = table.slots.claim(owner_word(100 + start, start), nobody_is_dead);
    table.counting_in(*slot).set(3, Metric::kChannels);
  }
  table.slots.release(0, owner_word(101, 1));  // a free slot before that of the former process with the same pid
  ck_assert(table.slots.claim(owner_word(102, 9),
                              [](std::uint64_t owner) noexcept { return owner == owner_word(103, 3); }) == 0U);
  ck_assert_uint_eq(table.sum(nobody_is_dead).get(Metric::kChannels), 0);
}
END_TEST

// The second releaser has found the owner dead; before it goes on, the first one releases the slot, and a new process
// takes it and counts.
START_TEST(of_two_releasers_the_slower_one_does_not_touch_the_next_owner) {
  static Table* shared;
  Table table(1);
  shared = &table;
  table.counting_in(*table.slots.claim(owner_word(101, 1), nobody_is_dead)).set(3, Metric::kChannels);
  table.slots.release_dead(owner_word(202, 4), [](std::uint64_t) noexcept {
    shared->slots.release_dead(owner_word(201, 3), all_are_dead);
    shared->counting_in(*shared->slots.claim(owner_word(301, 5), nobody_is_dead)).set(7, Metric::kChannels);
    return true;
  });
  ck_assert_uint_eq(table.slots.owner(0), owner_word(301, 5));
  ck_assert_uint_eq(table.sum(nobody_is_dead).get(Metric::kChannels), 7);
}
END_TEST

START_TEST(a_process_takes_the_slot_of_a_former_one_with_its_pid) {
  Table table(2);
  const auto slot = table.slots.claim(owner_word(101, 1), nobody_is_dead);
  ck_assert(table.slots.claim(owner_word(101, 2), nobody_is_dead) == slot);
  table.slots.release(*slot, owner_word(101, 1));
  ck_assert_uint_eq(table.slots.owner(*slot), owner_word(101, 2));
}
END_TEST

START_TEST(processes_that_start_at_once_get_different_slots_and_lose_no_count) {
  constexpr std::size_t kProcesses = 8;
  constexpr std::uint64_t kCounts = 20'000;
  const SharedMemory memory(MetricsSlots::memory_size(kProcesses) + 64);
  void* const aligned = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) & ~63ULL);
  MetricsSlots slots;
  slots.create(aligned, kProcesses);
  std::vector<Child> children;
  for (std::size_t i = 0; i < kProcesses; ++i) {
    children.emplace_back([&] {
      const auto slot = slots.claim(me(), is_dead);
      if (!slot) {
        return 1;
      }
      Metrics metrics(slots.words(*slot));
      for (std::uint64_t n = 0; n < kCounts; ++n) {
        metrics.add(Metric::kDeliveries);
      }
      return 0;
    });
  }
  MetricsSnapshot last;
  const auto all_counted = [&] {
    MetricsSnapshot sum;
    slots.sum(sum, is_dead);
    ck_assert_uint_ge(sum.get(Metric::kDeliveries), last.get(Metric::kDeliveries));
    last = sum;
    return sum.get(Metric::kDeliveries) == kProcesses * kCounts;
  };
  ck_assert(wait_until(all_counted));
  for (Child& child : children) {
    ck_assert_int_eq(child.wait(), 0);
  }
}
END_TEST

}  // namespace

int main() {
  return run(
      "metrics",
      {every_metric_has_a_name_of_its_own_and_a_help, a_statement_has_the_label_of_its_name,
       every_label_has_as_many_words_as_its_enum, a_status_has_the_label_of_its_number, no_two_series_share_a_word,
       counters_and_histograms_come_before_gauges_and_these_before_the_instance, what_a_process_counts_is_in_the_sum,
       a_gauge_rises_and_falls, a_histogram_counts_a_value_in_the_first_bucket_that_holds_it,
       slots_are_found_again_in_the_same_memory_only, each_process_gets_a_slot_until_none_is_free,
       a_released_slot_keeps_its_counters_and_loses_its_gauges,
       a_killed_owner_has_no_gauges_and_its_slot_is_free_for_the_next_process,
       releasing_the_dead_drops_their_gauges_for_good_and_keeps_their_counters,
       a_process_that_starts_releases_all_that_were_killed,
       of_two_releasers_the_slower_one_does_not_touch_the_next_owner,
       a_process_takes_the_slot_of_a_former_one_with_its_pid,
       processes_that_start_at_once_get_different_slots_and_lose_no_count});
}
