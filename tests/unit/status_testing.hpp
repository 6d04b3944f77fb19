// A view of the status in which all is well, for tests of what the status shows and finds.
#pragma once

#include <memory>
#include <string>

#include "checks.hpp"
#include "core/status/status_view.hpp"

namespace pgevents::testing {

inline constexpr std::int64_t kNow = 1'656'958'539'620;  // milliseconds

inline std::uint64_t ago(std::int64_t ms) {
  return static_cast<std::uint64_t>(kNow - ms);
}

// One database that is well. Views are large: they live on the heap.
inline std::unique_ptr<StatusView> view_of(std::string_view name = "main") {
  auto view = std::make_unique<StatusView>();
  view->version = "1.2.3";
  view->server_version = "1.22.1";
  view->schema = "8";
  view->pid = 4711;
  view->now_ms = kNow;
  view->databases.emplace_back();
  DatabaseStatus& database = view->databases.back();
  database.name = name;
  database.metrics.set(1, Metric::kListenerConnected);
  database.metrics.set(1, Metric::kListenerConnects);
  database.metrics.set(ago(300), Metric::kListenerLastRead);
  database.metrics.set(1234, Metric::kLogHead);
  database.metrics.set(1234, Metric::kRingHead);
  database.metrics.set(235, Metric::kRingOldest);
  database.metrics.set(3 << 20, Metric::kRingBytes, Room::kUsed);
  database.metrics.set(32 << 20, Metric::kRingBytes, Room::kSize);
  database.metrics.set(16384, Metric::kRevocations, Room::kSize);
  database.metrics.set(ago(20'000), Metric::kPruneLastSuccess);
  database.workers.push_back({4711, false, {}});
  database.workers.push_back({4712, true, {}});
  return view;
}

inline MetricsSnapshot& values_of(StatusView& view) {
  return view.databases[0].metrics;
}

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline void assert_has(std::string_view text, std::string_view part) {
  assert_that(has(text, part), "not in the text: " + std::string(part));
}

}  // namespace pgevents::testing
