// The status as text: Prometheus' format, JSON, and the page.
#include <memory>
#include <string>

#include "checks.hpp"
#include "core/metrics/metrics.hpp"
#include "core/status/json.hpp"
#include "core/status/number.hpp"
#include "core/status/page.hpp"
#include "core/status/prometheus.hpp"
#include "core/text/json_text.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// Views are large: they live on the heap.
std::unique_ptr<StatusView> view_of(std::string_view database) {
  auto view = std::make_unique<StatusView>();
  view->version = "1.2.3";
  view->server_version = "1.22.1";
  view->schema = "8";
  view->pid = 4711;
  view->now_ms = 1'656'958'539'620;
  view->databases.emplace_back();
  view->databases.back().name = database;
  return view;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void assert_has(const std::string& text, std::string_view part) {
  assert_that(has(text, part), "not in the text: " + std::string(part));
}

std::string number(std::uint64_t value, MetricUnit unit) {
  std::string text;
  append_metric(text, value, unit);
  return text;
}

START_TEST(numbers_are_shown_in_their_base_unit) {
  assert_text(number(0, MetricUnit::kNone), "0");
  assert_text(number(18446744073709551615ULL, MetricUnit::kNone), "18446744073709551615");
  assert_text(number(0, MetricUnit::kMicroseconds), "0");
  assert_text(number(250, MetricUnit::kMicroseconds), "0.00025");
  assert_text(number(1'000'000, MetricUnit::kMicroseconds), "1");
  assert_text(number(90'500'000, MetricUnit::kMicroseconds), "90.5");
  assert_text(number(1'656'958'539'620, MetricUnit::kMilliseconds), "1656958539.62");
}
END_TEST

// --- Prometheus ---

START_TEST(each_metric_has_its_help_and_its_type_once) {
  const std::string text = prometheus_text(*view_of("main"));
  for (const MetricInfo& info : kMetrics) {
    const std::string help = std::string("# HELP pgevents_") + info.name + " ";
    const std::size_t at = text.find(help);
    ck_assert(at != std::string::npos && text.find(help, at + 1) == std::string::npos);
  }
  assert_has(text, "# TYPE pgevents_deliveries_total counter\npgevents_deliveries_total{database=\"main\"} 0\n");
  assert_has(text, "# TYPE pgevents_channels gauge\n");
  assert_has(text, "# TYPE pgevents_delivery_lag_seconds histogram\n");
  assert_has(text, "pgevents_build_info{version=\"1.2.3\",nginx=\"1.22.1\",schema=\"8\"} 1\n");
}
END_TEST

START_TEST(labels_are_shown_and_series_that_never_counted_only_if_they_are_few) {
  const auto view = view_of("main");
  MetricsSnapshot& values = view->databases[0].metrics;
  values.set(3, Metric::kRequests, RequestKind::kPublish, status_label(201));
  values.set(2, Metric::kResets, ResetReason::kPruned);
  const std::string text = prometheus_text(*view);
  assert_has(text, "\npgevents_requests_total{database=\"main\",endpoint=\"publish\",status=\"201\"} 3\n");
  ck_assert(!has(text, "endpoint=\"publish\",status=\"401\""));
  assert_has(text, "\npgevents_resets_total{database=\"main\",reason=\"pruned\"} 2\n");
  assert_has(text, "\npgevents_resets_total{database=\"main\",reason=\"ahead\"} 0\n");
  ck_assert(!has(text, "pgevents_query_duration_seconds_bucket"));
}
END_TEST

START_TEST(buckets_are_cumulative) {
  const auto view = view_of("main");
  MetricsSnapshot& values = view->databases[0].metrics;
  const std::size_t word = word_of(Metric::kDeliveryLag, static_cast<std::size_t>(LagTo::kRing));
  values.add(word, 4);
  values.add(word + 2, 2);
  values.add(word + kBucketCount - 1, 1);
  values.add(word + kBucketCount, 70'000'250);
  const std::string text = prometheus_text(*view);
  const std::string series = "pgevents_delivery_lag_seconds_bucket{database=\"main\",to=\"ring\",le=\"";
  assert_has(text, series + "0.00025\"} 4\n" + series + "0.0005\"} 4\n" + series + "0.001\"} 6\n");
  assert_has(text, series + "60\"} 6\n" + series + "+Inf\"} 7\n");
  assert_has(text, "\npgevents_delivery_lag_seconds_sum{database=\"main\",to=\"ring\"} 70.00025\n");
  assert_has(text, "\npgevents_delivery_lag_seconds_count{database=\"main\",to=\"ring\"} 7\n");
}
END_TEST

START_TEST(label_values_are_escaped) {
  const std::string text = prometheus_text(*view_of("a\"b\\c\nd"));
  assert_has(text, "pgevents_deliveries_total{database=\"a\\\"b\\\\c\\nd\"} 0\n");
}
END_TEST

START_TEST(what_is_not_known_has_no_series_and_is_null) {
  const auto view = view_of("main");
  view->databases[0].metrics.set(kUnknownValue, Metric::kCopyLag);
  ck_assert(!has(prometheus_text(*view), "\npgevents_copy_lag_seconds"));
  assert_has(status_json(*view), R"("copy_lag_seconds":null)");
  view->databases[0].metrics.set(2'500, Metric::kCopyLag);
  assert_has(prometheus_text(*view), "\npgevents_copy_lag_seconds{database=\"main\"} 2.5\n");
  assert_has(status_json(*view), R"("copy_lag_seconds":2.5)");
}
END_TEST

START_TEST(several_databases_share_the_head_of_a_metric) {
  const auto view = view_of("main");
  view->databases.emplace_back();
  view->databases.back().name = "other";
  view->databases.back().metrics.set(5, Metric::kDeliveries);
  assert_has(prometheus_text(*view),
             "counter\npgevents_deliveries_total{database=\"main\"} 0\n"
             "pgevents_deliveries_total{database=\"other\"} 5\n");
}
END_TEST

// --- JSON ---

START_TEST(json_has_the_same_values) {
  const auto view = view_of("m\"ain");
  DatabaseStatus& database = view->databases[0];
  database.metrics.set(92, Metric::kDeliveries);
  database.metrics.set(2, Metric::kSubscribers, SubscriberKind::kStream);
  database.metrics.set(3, Metric::kRequests, RequestKind::kPublish, status_label(201));
  database.metrics.set(1'500, Metric::kListenerLastRead);
  database.metrics.add(word_of(Metric::kDeliveryLag), 4);
  database.not_ready = "why";
  database.workers.push_back({4712, true, {}});
  database.channel = ChannelStatus{"Gruyère\n", 3, 1};
  const std::string text = status_json(*view);
  ck_assert(json_valid(text));
  assert_has(text,
             R"({"version":"1.2.3","nginx":"1.22.1","schema":"8","pid":4711,"time":1656958539.62,"databases":[{)");
  assert_has(text,
             R"({"name":"m\"ain","ready":false,"why":"why","findings":[{"alert":"PgeventsListenerNotConnected",)");
  assert_has(text, R"("deliveries_total":92,)");
  assert_has(text, R"("subscribers":{"stream":2,"released":0,"longpoll":0,"websocket":0},)");
  assert_has(text, R"("requests_total":[{"endpoint":"publish","status":"201","value":3}],)");
  assert_has(text, R"("delivery_lag_seconds":{"ring":{"count":4,"sum":0,"buckets":{"0.00025":4,"0.0005":0,)");
  assert_has(text, R"("query_duration_seconds":{},)");
  assert_has(text, R"("listener_last_read_timestamp_seconds":1.5,)");
  assert_has(text, R"("workers":[{"pid":4712,"listens":true,"metrics":{)");
  assert_has(text, R"("channel":{"name":"Gruyère\n","subscribers":null,"silent_workers":1})");
  database.channel->silent_workers = 0;
  assert_has(status_json(*view), R"("channel":{"name":"Gruyère\n","subscribers":3,"silent_workers":0})");
}
END_TEST

START_TEST(json_of_no_database_is_valid) {
  const auto view = view_of("main");
  view->databases.clear();
  ck_assert(json_valid(status_json(*view)));
}
END_TEST

// --- the page ---

START_TEST(names_on_the_page_are_escaped) {
  const auto view = view_of("<script>\"&");
  view->databases[0].channel = ChannelStatus{"<b>", 1, 0};
  const std::string page = status_page(*view);
  ck_assert(!has(page, "<script>\"&"));
  ck_assert(!has(page, "<b>"));
  assert_has(page, "&lt;script&gt;&quot;&amp;");
  assert_has(page, "&lt;b&gt;");
  assert_has(std::string(status_page_policy()), "default-src 'none'");
}
END_TEST

}  // namespace

int main() {
  return run("status", {numbers_are_shown_in_their_base_unit, each_metric_has_its_help_and_its_type_once,
                        labels_are_shown_and_series_that_never_counted_only_if_they_are_few, buckets_are_cumulative,
                        label_values_are_escaped, what_is_not_known_has_no_series_and_is_null,
                        several_databases_share_the_head_of_a_metric, json_has_the_same_values,
                        json_of_no_database_is_valid, names_on_the_page_are_escaped});
}
