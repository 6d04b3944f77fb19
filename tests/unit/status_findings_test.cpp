// What the status finds wrong, on the page and in JSON.
#include "core/status/findings.hpp"

#include <string>

#include "checks.hpp"
#include "core/status/json.hpp"
#include "status_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

void assert_finding(const StatusView& view, std::string_view what, std::string_view alert) {
  const auto found = findings(view.databases[0], kNow);
  assert_that(found.size() == 1, std::string(alert) + ": one finding");
  assert_text(found[0].what, what);
  assert_text(found[0].alert, alert);
}

START_TEST(nothing_is_found_while_all_is_well) {
  ck_assert(findings(view_of()->databases[0], kNow).empty());
}
END_TEST

START_TEST(a_missing_listener_is_found) {
  const auto view = view_of();
  values_of(*view).set(0, Metric::kListenerConnected);
  values_of(*view).set(ago(72'000), Metric::kListenerLastRead);
  view->databases[0].not_ready = "no listener";  // said once
  assert_finding(*view, "No worker follows the log: new events have not been delivered for 1 min 12 s.",
                 "PgeventsListenerNotConnected");
  values_of(*view).set(0, Metric::kListenerLastRead);
  assert_finding(*view, "No worker follows the log: new events have not been delivered since nginx started.",
                 "PgeventsListenerNotConnected");
}
END_TEST

START_TEST(a_listener_that_reads_nothing_is_found) {
  const auto view = view_of();
  view->databases[0].not_ready = "the log was last read 61000 ms ago";
  assert_finding(*view, "A worker is connected, but this nginx is not ready: the log was last read 61000 ms ago.",
                 "PgeventsListenerStalled");
}
END_TEST

START_TEST(full_tables_and_queues_are_found) {
  auto view = view_of();
  values_of(*view).set(100, Metric::kPoolQueue);
  values_of(*view).set(12'288, Metric::kRevocations, Room::kUsed);
  ck_assert(findings(view->databases[0], kNow).empty());
  values_of(*view).set(1024, Metric::kPoolQueue);
  assert_finding(*view, "1,024 statements wait for a connection.", "PgeventsPoolQueueLong");
  view = view_of();
  values_of(*view).set(12'289, Metric::kRevocations, Room::kUsed);
  assert_finding(*view, "The table of revocations is nearly full: 12,289 of 16,384.", "PgeventsRevocationsNearlyFull");
}
END_TEST

START_TEST(a_log_that_is_not_pruned_any_more_is_found) {
  const auto view = view_of();
  values_of(*view).set(ago(1'000'000), Metric::kPruneLastSuccess);
  assert_finding(*view, "The log was last pruned 16 min 40 s ago, so it grows.", "PgeventsPruneFailing");
  values_of(*view).set(0, Metric::kPruneLastSuccess);
  ck_assert(findings(view->databases[0], kNow).empty());
}
END_TEST

START_TEST(late_notifications_are_found_until_one_comes) {
  const auto view = view_of();
  Troubles& troubles = view->databases[0].troubles;
  troubles.notified_ms = ago(5'000'000);
  troubles.unnotified_ms = ago(120'000);
  assert_finding(
      *view, "Events come without a notification, last noticed 2 min ago: they are delivered as late as sweep= allows.",
      "PgeventsNotificationsLost");
  troubles.notified_ms = ago(100);
  ck_assert(findings(view->databases[0], kNow).empty());
  troubles.unnotified_ms = ago(60'000);
  ck_assert_uint_eq(findings(view->databases[0], kNow).size(), 1);
}
END_TEST

START_TEST(connections_that_fail_are_found_until_one_succeeds) {
  const auto view = view_of();
  Troubles& troubles = view->databases[0].troubles;
  troubles.connect_failed_ms = ago(90'000);
  troubles.connected_ms = ago(91'000);
  assert_finding(*view,
                 "A connection for requests could not be opened 1 min 30 s ago, and none since: requests get 503.",
                 "PgeventsServerErrors");
  troubles.connected_ms = ago(89'000);
  ck_assert(findings(view->databases[0], kNow).empty());
  troubles.connect_failed_ms = ago(3'000);
  troubles.connected_ms = ago(2'000);
  assert_finding(*view, "A connection for requests could not be opened 3 s ago: requests get 503.",
                 "PgeventsServerErrors");
}
END_TEST

START_TEST(a_primary_that_cannot_be_reached_is_found) {
  const auto view = view_of();
  view->databases[0].troubles.primary_failed_ms = ago(800);
  assert_finding(*view,
                 "The primary cannot be reached, last tried 800 ms ago: publications, calls and presence get 503. "
                 "Streams and polls go on.",
                 "PgeventsPrimaryAway");
}
END_TEST

START_TEST(a_copy_that_stops_or_falls_behind_is_found) {
  const auto view = view_of();
  MetricsSnapshot& values = values_of(*view);
  values.set(1, Metric::kCopy);
  for (const Metric metric : {Metric::kCopyRunning, Metric::kCopyErrors, Metric::kCopyLagIds, Metric::kCopyLag}) {
    values.set(kUnknownValue, metric);
  }
  ck_assert(findings(view->databases[0], kNow).empty());
  values.set(1, Metric::kCopyRunning);
  values.set(30'000, Metric::kCopyLag);
  values.set(1234, Metric::kCopyLagIds);
  ck_assert(findings(view->databases[0], kNow).empty());
  values.set(90'000, Metric::kCopyLag);
  assert_finding(*view, "This copy of the log is 1 min 30 s behind its primary, by 1,234 events.",
                 "PgeventsCopyBehind");
  values.set(0, Metric::kCopyRunning);
  assert_finding(*view, "This copy of the log gets nothing from its primary: the subscription does not run.",
                 "PgeventsCopyStopped");
  values.set(0, Metric::kCopy);  // promoted
  ck_assert(findings(view->databases[0], kNow).empty());
}
END_TEST

START_TEST(statements_for_the_primary_count_as_others) {
  const auto view = view_of();
  values_of(*view).set(2, Metric::kPrimarySlow);
  assert_finding(*view, "2 statements have waited or run for longer than 2 s.", "PgeventsStatementsSlow");
  values_of(*view).set(0, Metric::kPrimarySlow);
  values_of(*view).set(51, Metric::kPrimaryQueue);
  values_of(*view).set(51, Metric::kPoolQueue);
  assert_finding(*view, "102 statements wait for a connection.", "PgeventsPoolQueueLong");
}
END_TEST

START_TEST(statements_that_hang_are_found) {
  const auto view = view_of();
  values_of(*view).set(1, Metric::kPoolSlow);
  assert_finding(*view, "1 statement has waited or run for longer than 2 s.", "PgeventsStatementsSlow");
  values_of(*view).set(14, Metric::kPoolSlow);
  assert_finding(*view, "14 statements have waited or run for longer than 2 s.", "PgeventsStatementsSlow");
}
END_TEST

START_TEST(pruning_that_fails_is_found_at_once) {
  const auto view = view_of();
  view->databases[0].troubles.prune_failing_ms = ago(2'500);
  assert_finding(*view, "Pruning the log has failed for 2.5 s, so it grows.", "PgeventsPruneFailing");
}
END_TEST

START_TEST(a_listener_that_is_away_explains_the_other_troubles) {
  const auto view = view_of();
  const std::uint64_t now = ago(0);
  view->databases[0].troubles = {now, 0, now, 0, now};
  values_of(*view).set(3, Metric::kPoolSlow);
  ck_assert_uint_eq(findings(view->databases[0], kNow).size(), 4);
  values_of(*view).set(0, Metric::kListenerConnected);
  ck_assert_uint_eq(findings(view->databases[0], kNow).size(), 1);
}
END_TEST

START_TEST(scripts_get_the_findings_too) {
  const auto view = view_of();
  assert_has(status_json(*view), "\"findings\":[],");
  values_of(*view).set(1, Metric::kPoolSlow);
  assert_has(status_json(*view),
             "\"findings\":[{\"alert\":\"PgeventsStatementsSlow\",\"failure\":false,\"what\":\"1 statement has");
}
END_TEST

}  // namespace

int main() {
  return run(
      "status findings",
      {nothing_is_found_while_all_is_well, a_missing_listener_is_found, a_listener_that_reads_nothing_is_found,
       full_tables_and_queues_are_found, a_log_that_is_not_pruned_any_more_is_found,
       late_notifications_are_found_until_one_comes, connections_that_fail_are_found_until_one_succeeds,
       a_primary_that_cannot_be_reached_is_found, a_copy_that_stops_or_falls_behind_is_found,
       statements_for_the_primary_count_as_others, statements_that_hang_are_found, pruning_that_fails_is_found_at_once,
       a_listener_that_is_away_explains_the_other_troubles, scripts_get_the_findings_too});
}
