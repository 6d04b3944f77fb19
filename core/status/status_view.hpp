// What the status of an nginx instance shows, as plain data: gathered by the module, rendered by prometheus.hpp,
// json.hpp and page.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics/snapshot.hpp"

namespace pgevents {

// What one worker process has counted, and its gauges.
struct WorkerStatus {
  std::uint32_t pid = 0;
  bool listens = false;  // it owns the listener's lease
  MetricsSnapshot metrics;
};

// The answer to `?channel=NAME`.
struct ChannelStatus {
  std::string name;
  std::uint64_t subscribers = 0;
  unsigned silent_workers = 0;  // that have not answered: above 0, `subscribers` is not known
};

// The last troubles, since the Unix epoch in milliseconds; 0: never.
struct Troubles {
  std::uint64_t unnotified_ms = 0;      // events came without a notification
  std::uint64_t notified_ms = 0;        // a notification came
  std::uint64_t connect_failed_ms = 0;  // a connection for requests could not be opened
  std::uint64_t connected_ms = 0;       // one was opened
  std::uint64_t prune_failing_ms = 0;   // since when pruning fails; 0: it does not
  std::uint64_t primary_failed_ms = 0;  // since the last connection, none to the primary of a copy could be opened
};

struct DatabaseStatus {
  std::string_view name;
  MetricsSnapshot metrics;  // of all workers that ever were, and of the instance
  Troubles troubles;
  bool has_primary = false;           // it is a copy, and what writes goes to its primary
  std::vector<WorkerStatus> workers;  // those that live
  std::string not_ready;              // why `pgevents_ready` answers 503 in workers that stay; empty: they answer 200
  std::optional<ChannelStatus> channel;
};

struct StatusView {
  std::string_view version;         // of pgevents
  std::string_view server_version;  // of nginx
  std::string_view schema;          // the version of the schema that this version of pgevents belongs to
  std::uint32_t pid = 0;            // of the process that answers
  std::int64_t now_ms = 0;          // since the Unix epoch
  std::vector<DatabaseStatus> databases;
};

}  // namespace pgevents
