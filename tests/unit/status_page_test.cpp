// The status page: what it shows, and that nothing foreign gets into it.
// With --print-page it prints a page of invented values, to look at while its layout is changed.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "checks.hpp"
#include "core/status/html.hpp"
#include "core/status/page.hpp"
#include "core/status/page_assets.hpp"
#include "core/status/readable.hpp"
#include "status_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::size_t kLag = word_of(Metric::kDeliveryLag, static_cast<std::size_t>(LagTo::kRing));

// --- values ---

START_TEST(values_are_readable) {
  assert_text(readable_count(0), "0");
  assert_text(readable_count(999), "999");
  assert_text(readable_count(1000), "1,000");
  assert_text(readable_count(18446744073709551615ULL), "18,446,744,073,709,551,615");
  assert_text(readable_bytes(0), "0 B");
  assert_text(readable_bytes(1023), "1023 B");
  assert_text(readable_bytes(1536), "1.5 KB");
  assert_text(readable_bytes(32 << 20), "32 MB");
  assert_text(readable_bytes(std::uint64_t{5} << 50), "5120 TB");
  assert_text(readable_time(0), "0 ms");
  assert_text(readable_time(250), "0.25 ms");
  assert_text(readable_time(2'500), "2.5 ms");
  assert_text(readable_time(250'000), "250 ms");
  assert_text(readable_time(2'570'000), "2.5 s");
  assert_text(readable_time(12'300'000), "12 s");
  assert_text(readable_time(60'000'000), "1 min");
  assert_text(readable_time(200'000'000), "3 min 20 s");
  assert_text(readable_time(7'500'000'000), "2 h 5 min");
  assert_text(readable_time(std::uint64_t{86'400'000'000} * 1000), "1,000 d");
}
END_TEST

START_TEST(an_age_is_never_negative) {
  ck_assert_uint_eq(age_us(kNow, ago(250)), 250'000);
  ck_assert_uint_eq(age_us(kNow, ago(-250)), 0);
  ck_assert_uint_eq(age_us(-1, 0), 0);
}
END_TEST

START_TEST(a_quantile_is_the_bound_of_its_bucket) {
  MetricsSnapshot values;
  ck_assert(!readable_quantile(values, kLag, 99));
  values.set(98, Metric::kDeliveryLag, LagTo::kRing);  // up to 0.25 ms
  values.add(kLag + 4, 1);                             // up to 5 ms
  values.add(kLag + kBucketCount - 1, 1);              // more than a minute
  assert_text(*readable_quantile(values, kLag, 50), "0.25 ms");
  assert_text(*readable_quantile(values, kLag, 98), "0.25 ms");
  assert_text(*readable_quantile(values, kLag, 99), "5 ms");
  assert_text(*readable_quantile(values, kLag, 100), "more than 1 min");
  assert_has(readable_bounds('|'), "0.25 ms|0.5 ms|1 ms|2.5 ms|");
  assert_has(readable_bounds('|'), "|10 s|1 min|more than 1 min");
}
END_TEST

START_TEST(foreign_text_stays_text) {
  std::string out;
  append_html(out, "<b title='\"'>&amp;</b>");
  assert_text(out, "&lt;b title=&#39;&quot;&#39;&gt;&amp;amp;&lt;/b&gt;");
  out.clear();
  append_html(out, std::string_view("\x1b[31m\0\x7f\n\tGruyère", 17));
  assert_text(out, "\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd\n\tGruyère");
  out.clear();
  append_html(out, "\xc2\x80\xc2\x9f<\xc2\xa0\xc3\x9b\xc2");
  assert_text(out, "\xef\xbf\xbd\xef\xbf\xbd&lt;\xc2\xa0\xc3\x9b\xc2");
}
END_TEST

// --- the page ---

START_TEST(the_page_begins_with_whether_all_is_well) {
  const auto view = view_of();
  const std::string well = status_page(*view);
  assert_has(well, "<title>✔ well · pgevents</title>");
  assert_has(well, "<h2><bdi>main</bdi> <span class=\"verdict ok\">✔ well: events are delivered</span></h2>\n<dl");
  assert_has(well, "<dt>Listener</dt><dd>✔ connected<div>worker 4712, connected 1 time since start</div>");
  assert_has(well, "<dt>Log last read</dt><dd>300 ms ago<div>to its end, event 1,234</div>");
  assert_has(well, "<dt>Ring</dt><dd>3 MB of 32 MB<div>");
  assert_has(well, "about 1,000 events</div>");
  assert_has(well, "<p>As of 2022-07-04 18:15:39 UTC, from worker 4711, for all workers.</p>");

  values_of(*view).set(1, Metric::kSequencerActive);
  assert_has(status_page(*view), "<div>worker 4712, gives ids, connected 1 time since start</div>");
  values_of(*view).set(1024, Metric::kPoolQueue);
  assert_has(status_page(*view), "<title>▲ warning · pgevents</title>");
  assert_has(status_page(*view), "<p class=\"finding warn\"><strong>▲ 1,024 statements wait");

  values_of(*view).set(0, Metric::kListenerConnected);
  const std::string ill = status_page(*view);
  assert_has(ill, "<title>✖ not delivering · pgevents</title>");
  assert_has(ill, "<span class=\"verdict bad\">✖ events are not delivered</span></h2>\n<p class=\"finding bad\">");
  assert_has(ill, "<dd class=\"bad\">✖ not connected<div>");
}
END_TEST

// The text of a document without styles: elements of these names begin and end a line, all others run on.
std::string text_of(std::string_view page) {
  std::string text;
  while (!page.empty()) {
    const std::size_t open = std::min(page.find('<'), page.size());
    text += page.substr(0, open);
    page.remove_prefix(open);
    const std::size_t close = page.find('>');
    std::string_view name = page.substr(0, close);
    name.remove_prefix(std::min<std::size_t>(name.size(), name.substr(0, 2) == "</" ? 2 : 1));
    name = name.substr(0, name.find(' '));
    for (const char* const block : {"div", "dl", "dt", "dd", "p", "tr", "h2"}) {
      text += name == block ? "\n" : "";
    }
    page.remove_prefix(close == std::string_view::npos ? page.size() : close + 1);
  }
  return text;
}

START_TEST(values_and_notes_do_not_run_together_without_styles) {
  const auto view = view_of();
  values_of(*view).set(1, Metric::kSubscribers, SubscriberKind::kStream);
  values_of(*view).set(92, Metric::kDeliveryLag, LagTo::kRing);
  const std::string text = text_of(status_page(*view));
  assert_has(text, "\n1\n0 statements wait\n");
  assert_has(text, "\n✔ connected\nworker 4712, connected");
  assert_has(text, "\n300 ms ago\nto its end, event 1,234\n");
  assert_has(text, "\n99 % within 0.25 ms\nsince start\n");
  assert_has(text, "\n0\nsince start\n");
  assert_has(text, "\n3 MB of 32 MB\n");
}
END_TEST

START_TEST(the_worst_database_gives_the_title) {
  const auto view = view_of();
  view->databases.push_back(view->databases[0]);
  view->databases[0].metrics.set(0, Metric::kListenerConnected);
  view->databases[1].metrics.set(1024, Metric::kPoolQueue);
  view->databases[1].name = "other";
  const std::string page = status_page(*view);
  assert_has(page, "<title>✖ not delivering · pgevents</title>");
  assert_has(page, "<bdi>other</bdi> <span class=\"verdict warn\">");
  assert_has(page, "data-key=\"0.deliveries_total\"");
  assert_has(page, "data-key=\"1.deliveries_total\"");
}
END_TEST

START_TEST(counters_have_what_the_script_needs) {
  const auto view = view_of();
  MetricsSnapshot& values = values_of(*view);
  values.set(123'456, Metric::kDeliveries);
  values.set(5 << 20, Metric::kSentBytes);
  values.set(7, Metric::kRequests, RequestKind::kPublish, status_label(201));
  values.set(2, Metric::kRequests, RequestKind::kPublish, status_label(503));
  values.set(3, Metric::kAuthFailures, AuthFault::kExpired);
  values.set(92, Metric::kDeliveryLag, LagTo::kRing);
  const std::string page = status_page(*view);
  assert_has(page, "<main data-time=\"1656958539620\">");
  assert_has(page, "<td data-key=\"0.deliveries_total\" data-as=\"rate\" data-n=\"123456\">123,456</td><td></td>");
  assert_has(page, "<td data-key=\"0.sent_bytes_total\" data-as=\"bytes\" data-n=\"5242880\">5 MB</td><td></td>");
  assert_has(page, "publish</th><td data-key=\"0.requests.publish\" data-as=\"rate\" data-n=\"9\">9</td>");
  assert_has(page, "Responses 5xx</th><td data-key=\"0.5xx\" data-as=\"more\" data-n=\"2\">2</td>");
  assert_has(page, "expired</th><td data-key=\"0.auth_failures_total.expired\" data-as=\"more\" data-n=\"3\">3</td>");
  ck_assert(!has(page, "not_yet_valid"));
  assert_has(page, "data-key=\"0.lag\" data-as=\"lag\" data-n=\"92,0,0,");
  assert_has(page, ">99 % within 0.25 ms</span>");
}
END_TEST

START_TEST(names_on_the_page_are_escaped) {
  const auto view = view_of("</main><script>alert('\"')</script>");
  view->databases[0].not_ready = "<i>";
  view->databases[0].channel = ChannelStatus{"<b>\x1b", 3, 2};
  view->server_version = "<u>";
  const std::string page = status_page(*view);
  for (const char* const tag : {"<script>alert", "</main><script>alert", "<i>", "<b>", "<u>", "\x1b"}) {
    assert_that(!has(page, tag), tag);
  }
  assert_has(page, "<bdi>&lt;/main&gt;&lt;script&gt;alert(&#39;&quot;&#39;)&lt;/script&gt;</bdi>");
  assert_has(page, "Channel &lt;b&gt;\xef\xbf\xbd</th><td>not known: 2 workers did not answer in time</td>");
}
END_TEST

START_TEST(the_page_shows_a_channel_whose_subscribers_all_workers_have_counted) {
  const auto view = view_of();
  view->databases[0].channel = ChannelStatus{"wine", 3, 0};
  assert_has(status_page(*view), "Channel wine</th><td>3</td>");
  view->databases[0].channel = ChannelStatus{"wine", 3, 1};
  assert_has(status_page(*view), "Channel wine</th><td>not known: 1 worker did not answer in time</td>");
}
END_TEST

START_TEST(the_page_reloads_itself_without_javascript) {
  assert_has(status_page(*view_of()), "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>");
}
END_TEST

START_TEST(many_workers_are_cut_and_no_database_is_said) {
  const auto view = view_of();
  for (std::uint32_t pid = 1; pid <= 30; ++pid) {
    view->databases[0].workers.push_back({pid, false, {}});
  }
  assert_has(status_page(*view), "<th scope=\"row\">and 16 more</th>");
  view->databases.clear();
  assert_has(status_page(*view), "<p>This nginx has no pgevents_database.</p>");
}
END_TEST

// --- the policy ---

std::string hash_source(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  ck_assert(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  unsigned char base64[64];
  EVP_EncodeBlock(base64, digest, static_cast<int>(size));
  return "'sha256-" + std::string(reinterpret_cast<char*>(base64)) + "'";
}

START_TEST(the_policy_allows_exactly_the_style_and_the_script_of_the_page) {
  const std::string policy = "default-src 'none'; style-src " + hash_source(kPageStyle) + "; script-src " +
                             hash_source(kPageScript) +
                             "; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'";
  assert_text(status_page_policy(), policy, "the policy of this style and script");
  const std::string page = status_page(*view_of());
  assert_has(page, std::string("<style>") + kPageStyle + "</style>");
  assert_has(page, std::string("<script>") + kPageScript + "</script>");
  ck_assert(!has(page, " style="));
}
END_TEST

// A site of medium size.
void invent(MetricsSnapshot& values) {
  values.set(83'120, Metric::kEventsRead);
  values.set(18'300'000, Metric::kDeliveries);
  values.set(std::uint64_t{7} << 30, Metric::kSentBytes);
  values.set(15'104, Metric::kRequests, RequestKind::kStream, status_label(200));
  values.set(812, Metric::kRequests, RequestKind::kLongPoll, status_label(200));
  values.set(7'300, Metric::kRequests, RequestKind::kPublish, status_label(201));
  values.set(41, Metric::kRequests, RequestKind::kPublish, status_label(503));
  values.set(13'900, Metric::kTokenCacheHits);
  values.set(310, Metric::kAuthFailures, AuthFault::kExpired);
  values.set(2, Metric::kAuthFailures, AuthFault::kSignature);
  values.set(11'000, Metric::kStreamEnds, Ending::kClientLeft);
  values.set(2'904, Metric::kStreamEnds, Ending::kLeaving);
  values.set(80'000, Metric::kDeliveryLag, LagTo::kRing);
  values.add(kLag + 2, 3'120);
  values.add(word_of(Metric::kQueryDuration, 0) + 2, 80'000);
  values.add(word_of(Metric::kQueryDuration, 2) + 4, 7'300);
  values.set(1'100, Metric::kSubscribers, SubscriberKind::kReleased);
  values.set(26, Metric::kSubscribers, SubscriberKind::kStream);
  values.set(74, Metric::kSubscribers, SubscriberKind::kLongPoll);
  values.set(420, Metric::kChannels);
  values.set(4, Metric::kPoolConnections, PoolState::kIdle);
}

void print_page(bool well) {
  const auto view = view_of();
  invent(values_of(*view));
  if (!well) {
    values_of(*view).set(0, Metric::kListenerConnected);
    values_of(*view).set(1024, Metric::kPoolQueue);
  }
  std::fputs(status_page(*view).c_str(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strncmp(argv[1], "--print", 7) == 0) {
    print_page(std::strcmp(argv[1], "--print-ill-page") != 0);
    return 0;
  }
  return run(
      "status page",
      {values_are_readable, an_age_is_never_negative, a_quantile_is_the_bound_of_its_bucket, foreign_text_stays_text,
       the_page_begins_with_whether_all_is_well, values_and_notes_do_not_run_together_without_styles,
       the_worst_database_gives_the_title, counters_have_what_the_script_needs, names_on_the_page_are_escaped,
       the_page_shows_a_channel_whose_subscribers_all_workers_have_counted, the_page_reloads_itself_without_javascript,
       many_workers_are_cut_and_no_database_is_said, the_policy_allows_exactly_the_style_and_the_script_of_the_page});
}
