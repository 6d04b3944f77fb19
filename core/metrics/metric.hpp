// The one table that defines every metric. Everything else follows from it: where a value lies in a process's slot
// (slots.hpp), how a process counts (metrics.hpp), and how Prometheus and JSON show it (core/status/).
// docs/operations.md describes the metrics; a test compares that page with this table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "core/metrics/labels.hpp"
#include "core/metrics/reasons.hpp"

namespace pgevents {

// In this order: what each process counts, then what it measures, then what is one value for all processes, also if
// PostgreSQL counts it.
enum class Metric : std::uint8_t {
  // counters of a process
  kListenerConnects,
  kListenerTakeovers,
  kEventsRead,
  kSweepFoundEvents,
  kRingOverruns,
  kDeliveries,
  kSentBytes,
  kRequests,
  kDeclined,
  kAuthFailures,
  kTokenCacheHits,
  kResets,
  kStreamEnds,
  kCatchupQueries,
  kPoolRejected,
  kPrimaryRejected,
  kPruneRemoved,
  kSequenceRounds,
  kSequencedEvents,
  // histograms of a process
  kDeliveryLag,
  kQueryDuration,
  // gauges of a process
  kSubscribers,
  kChannels,
  kPoolConnections,
  kPoolQueue,
  kPoolSlow,
  kPrimaryConnections,
  kPrimaryQueue,
  kPrimarySlow,
  kSequencerAble,
  kSequencerActive,
  // values of the instance
  kWorkers,
  kListenerConnected,
  kListenerLastRead,
  kLogHead,
  kRingHead,
  kRingOldest,
  kRingBytes,
  kRevocations,
  kPruneLastSuccess,
  kPruneFailingSince,
  kPrimaryAway,
  kCopy,
  kCopyRunning,
  kCopyErrors,
  kCopyLagIds,
  kCopyLag,
  kCount,
};
inline constexpr std::size_t kMetricCount = static_cast<std::size_t>(Metric::kCount);
inline constexpr Metric kFirstGauge = Metric::kSubscribers;
inline constexpr Metric kFirstOfInstance = Metric::kWorkers;

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

// In which unit a value is kept; it is shown in the base unit (seconds, bytes).
enum class MetricUnit : std::uint8_t { kNone, kMilliseconds, kMicroseconds };

// A value of the instance that is not known: Prometheus gets no series, and JSON has null.
inline constexpr std::uint64_t kUnknownValue = ~std::uint64_t{0};

struct MetricLabel {
  const char* name = nullptr;
  const char* const* words = nullptr;
  std::size_t count = 1;
};

template <std::size_t size>
constexpr MetricLabel metric_label(const char* name, const char* const (&words)[size]) noexcept {
  return {name, words, size};
}

struct MetricInfo {
  const char* name;  // without the prefix `pgevents_`
  MetricType type;
  MetricUnit unit;
  bool sparse;  // only label values that have counted are shown: most never do
  const char* help;
  MetricLabel labels[2] = {};
};

inline constexpr MetricInfo kMetrics[] = {
    {"listener_connects_total", MetricType::kCounter, MetricUnit::kNone, false,
     "How often a listener has connected to the database and caught up with the log."},
    {"listener_takeovers_total", MetricType::kCounter, MetricUnit::kNone, false,
     "How often a worker has taken the listener's lease over from another one."},
    {"events_read_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Events that the listener has read from the log into the ring."},
    {"sweep_found_events_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Events that only the sweep has found, because no notification arrived."},
    {"ring_overruns_total", MetricType::kCounter, MetricUnit::kNone, false,
     "How often the ring has overwritten events that a worker had not read yet."},
    {"deliveries_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Events sent to subscribers, each subscriber counted."},
    {"sent_bytes_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Bytes of frames and poll answers sent to subscribers, before TLS, chunks and compression."},
    {"requests_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     true,
     "Requests that the module has answered, by what they ask for and the status of the response.",
     {metric_label("endpoint", kRequestKindWords), metric_label("status", kStatusWords)}},
    {"declined_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     false,
     "Requests that the module has left to another handler, such as the fallback.",
     {metric_label("reason", kDeclinedWords)}},
    {"auth_failures_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     false,
     "Requests that were rejected because of their token, user, rights or origin.",
     {metric_label("reason", kAuthFaultWords)}},
    {"token_cache_hits_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Tokens whose signature was known from an earlier request."},
    {"resets_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     false,
     "Events pgevents.reset sent to subscribers, because the log no longer had what follows their cursor.",
     {metric_label("reason", kResetReasonWords)}},
    {"stream_ends_total",
     MetricType::kCounter,
     MetricUnit::kNone,
     false,
     "Event streams that have ended.",
     {metric_label("reason", kEndingWords)}},
    {"catchup_queries_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Pages that were asked of the log for subscribers behind the ring."},
    {"pool_rejected_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Statements that were rejected because too many were waiting for a connection."},
    {"primary_pool_rejected_total", MetricType::kCounter, MetricUnit::kNone, false,
     "The same for the primary of a copy (parameter primary)."},
    {"prune_removed_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Rows that this nginx has pruned from the log."},
    {"sequence_rounds_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Transactions in which this nginx has given ids to events that publishers had left."},
    {"sequenced_events_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Events that publishers had left, and to which this nginx has given their ids."},
    {"delivery_lag_seconds",
     MetricType::kHistogram,
     MetricUnit::kMicroseconds,
     false,
     "Time from an event's commit until it was in the ring, and until it was written to a subscriber's connection.",
     {metric_label("to", kLagToWords)}},
    {"query_duration_seconds",
     MetricType::kHistogram,
     MetricUnit::kMicroseconds,
     true,
     "Time from sending a statement to the database until its result was complete.",
     {metric_label("statement", kStatementWords)}},
    {"subscribers",
     MetricType::kGauge,
     MetricUnit::kNone,
     false,
     "Subscribers that wait now; released: event streams without their request.",
     {metric_label("transport", kSubscriberKindWords)}},
    {"channels", MetricType::kGauge, MetricUnit::kNone, false, "Channels with subscribers, each worker counted."},
    {"pool_connections",
     MetricType::kGauge,
     MetricUnit::kNone,
     false,
     "Connections of the workers' pools to the database.",
     {metric_label("state", kPoolStateWords)}},
    {"pool_queue", MetricType::kGauge, MetricUnit::kNone, false,
     "Statements that wait for a connection of the pool, and publications that wait for the next transaction."},
    {"pool_slow_statements", MetricType::kGauge, MetricUnit::kNone, false,
     "Statements of the pool that have waited or run for longer than 2 s."},
    {"primary_pool_connections",
     MetricType::kGauge,
     MetricUnit::kNone,
     false,
     "Connections of the workers' pools to the primary of a copy (parameter primary).",
     {metric_label("state", kPoolStateWords)}},
    {"primary_pool_queue", MetricType::kGauge, MetricUnit::kNone, false,
     "Statements that wait for a connection to the primary, and publications that wait for the next transaction."},
    {"primary_pool_slow_statements", MetricType::kGauge, MetricUnit::kNone, false,
     "Statements for the primary that have waited or run for longer than 2 s."},
    {"sequencer_able", MetricType::kGauge, MetricUnit::kNone, false,
     "1 while a listener of this nginx can give ids to what publishers leave: the schema has version 10 or later."},
    {"sequencer_active", MetricType::kGauge, MetricUnit::kNone, false,
     "1 while publishers leave their events to the listener of this nginx, which gives the ids."},
    {"workers", MetricType::kGauge, MetricUnit::kNone, false,
     "Worker processes that use the database, leaving ones included."},
    {"listener_connected", MetricType::kGauge, MetricUnit::kNone, false, "1 while a listener follows the log."},
    {"listener_last_read_timestamp_seconds", MetricType::kGauge, MetricUnit::kMilliseconds, false,
     "When the listener last read the log to its end; 0: never."},
    {"log_head_id", MetricType::kGauge, MetricUnit::kNone, false,
     "The newest event id in the log that the listener knows of."},
    {"ring_head_id", MetricType::kGauge, MetricUnit::kNone, false, "The newest event id in the ring."},
    {"ring_oldest_id", MetricType::kGauge, MetricUnit::kNone, false, "The ring holds every event from this id on."},
    {"ring_bytes",
     MetricType::kGauge,
     MetricUnit::kNone,
     false,
     "Memory of the ring for events.",
     {metric_label("state", kRoomWords)}},
    {"revocations",
     MetricType::kGauge,
     MetricUnit::kNone,
     false,
     "Users whose tokens are rejected, and how many the table can hold.",
     {metric_label("state", kRoomWords)}},
    {"prune_last_success_timestamp_seconds", MetricType::kGauge, MetricUnit::kMilliseconds, false,
     "When this nginx last pruned the log; 0: never."},
    {"prune_failing_since_timestamp_seconds", MetricType::kGauge, MetricUnit::kMilliseconds, false,
     "Since when each attempt to prune the log has failed; 0: the last one has not."},
    {"primary_away", MetricType::kGauge, MetricUnit::kNone, false,
     "1 while connections to the primary of a copy cannot be opened: what writes is answered with 503."},
    {"copy", MetricType::kGauge, MetricUnit::kNone, false,
     "1 while the database is a copy of the log; 0: it is the primary."},
    {"copy_subscription_running", MetricType::kGauge, MetricUnit::kNone, false,
     "Of a copy: 1 while a process of its subscription applies what the primary sends."},
    {"copy_errors_total", MetricType::kCounter, MetricUnit::kNone, false,
     "Of a copy: errors of its subscription, counted by PostgreSQL 15 and later."},
    {"copy_lag_ids", MetricType::kGauge, MetricUnit::kNone, false,
     "Of a copy whose primary nginx knows (parameter primary): ids that the primary has given and that are not here."},
    {"copy_lag_seconds", MetricType::kGauge, MetricUnit::kMilliseconds, false,
     "Of such a copy: for how long the primary has had the oldest event that is not here; 0: all are."},
};
static_assert(std::size(kMetrics) == kMetricCount);

// Upper bounds of the buckets of every histogram, in microseconds. One more bucket has all greater values.
inline constexpr std::uint64_t kBucketBounds[] = {250,       500,       1'000,      2'500,     5'000,   10'000,
                                                  25'000,    50'000,    100'000,    250'000,   500'000, 1'000'000,
                                                  2'500'000, 5'000'000, 10'000'000, 60'000'000};
inline constexpr std::size_t kBucketCount = std::size(kBucketBounds) + 1;

constexpr const MetricInfo& info_of(Metric metric) noexcept {
  return kMetrics[static_cast<std::size_t>(metric)];
}

// Words of one series (one combination of label values). A histogram has its buckets, then the sum.
constexpr std::size_t words_of_series(const MetricInfo& info) noexcept {
  return info.type == MetricType::kHistogram ? kBucketCount + 1 : 1;
}

// The first word of the metric at `index` of a table. Its series follow each other, those of the last label next to
// each other.
constexpr std::size_t first_word_in(const MetricInfo* table, std::size_t index) noexcept {
  std::size_t words = 0;
  for (std::size_t i = 0; i < index; ++i) {
    words += words_of_series(table[i]) * table[i].labels[0].count * table[i].labels[1].count;
  }
  return words;
}

// The first word of a series behind that of its metric; `at`: its label values, 0 where there is no label.
constexpr std::size_t word_in(const MetricInfo& info, std::size_t at0 = 0, std::size_t at1 = 0) noexcept {
  return (at0 * info.labels[1].count + at1) * words_of_series(info);
}

constexpr std::size_t first_word(Metric metric) noexcept {
  return first_word_in(kMetrics, static_cast<std::size_t>(metric));
}

// The first word of a series.
constexpr std::size_t word_of(Metric metric, std::size_t at0 = 0, std::size_t at1 = 0) noexcept {
  return first_word(metric) + word_in(info_of(metric), at0, at1);
}

inline constexpr std::size_t kMetricWords = first_word(Metric::kCount);
inline constexpr std::size_t kFirstGaugeWord = first_word(kFirstGauge);
inline constexpr std::size_t kSlotWords = first_word(kFirstOfInstance);

}  // namespace pgevents
