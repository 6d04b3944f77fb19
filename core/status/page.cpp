// See page.hpp. A database's section begins with what matters during an incident: is it well, and if not, what to do.
// The document is valid HTML, and reads well in a text browser: no sign stands for itself, no colour either.
#include "core/status/page.hpp"

#include <ctime>
#include <vector>

#include "core/status/findings.hpp"
#include "core/status/html.hpp"
#include "core/status/page_assets.hpp"
#include "core/status/page_tables.hpp"
#include "core/status/readable.hpp"

namespace pgevents {
namespace {

using Findings = std::vector<Finding>;

struct Verdict {
  const char* style;
  std::string words;
};

bool any_failure(const Findings& found) noexcept {
  for (const Finding& finding : found) {
    if (finding.level == Finding::Level::kFailure) {
      return true;
    }
  }
  return false;
}

Verdict verdict_of(const Findings& found) {
  if (found.empty()) {
    return {"ok", "✔ well: events are delivered"};
  }
  if (any_failure(found)) {
    return {"bad", "✖ events are not delivered"};
  }
  return {"warn", "▲ events are delivered, but see below"};
}

void append_findings(std::string& out, const Findings& found) {
  for (const Finding& finding : found) {
    const bool failure = finding.level == Finding::Level::kFailure;
    out.append("<p class=\"finding ").append(failure ? "bad" : "warn").append("\"><strong>");
    append_html(out.append(failure ? "✖ " : "▲ "), finding.what);
    append_html(out += "</strong> <span>", finding.advice);
    out.append(" <code>").append(finding.alert).append("</code></span></p>\n");
  }
}

void append_tile(std::string& out, const char* name, const std::string& value, const std::string& note,
                 bool bad = false) {
  out.append("<div><dt>").append(name).append("</dt><dd").append(bad ? " class=\"bad\">" : ">");
  append_html(out, value);
  append_html(out += "<div>", note);
  out += "</div></dd></div>\n";
}

std::string listener_note(const DatabaseStatus& database) {
  std::string note;
  for (const WorkerStatus& worker : database.workers) {
    if (worker.listens) {
      note = "worker " + std::to_string(worker.pid) + ", ";
    }
  }
  if (database.metrics.get(Metric::kSequencerActive) != 0) {
    note += "gives ids, ";
  }
  const std::uint64_t connects = database.metrics.get(Metric::kListenerConnects);
  return note + "connected " + readable_count(connects) + (connects == 1 ? " time" : " times") + " since start";
}

// From commit to ring: what happens behind it depends on clients.
void append_lag(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  const std::size_t word = word_of(Metric::kDeliveryLag, static_cast<std::size_t>(LagTo::kRing));
  std::string counts;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    counts.append(i == 0 ? "" : ",").append(std::to_string(values.at(word + i)));
  }
  const auto lag = readable_quantile(values, word, 99);
  out.append("<div><dt>Lag to the ring</dt><dd><span data-bounds=\"").append(readable_bounds('|')).append("\"");
  append_counter(out, index, "lag", "lag", counts);
  out.append(lag ? "99 % within " + *lag : "no event yet");
  out += "</span><div>since start</div></dd></div>\n";
}

void append_deliveries(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  const std::uint64_t deliveries = values.get(Metric::kDeliveries);
  out += "<div><dt>Deliveries</dt><dd><span";
  append_counter(out, index, "deliveries", "rate", std::to_string(deliveries));
  out.append(readable_count(deliveries)).append("</span><div>since start</div><div aria-hidden=\"true\"");
  out.append(" data-chart=\"").append(std::to_string(index)).append(".deliveries\"></div></dd></div>\n");
}

void append_ring(std::string& out, const MetricsSnapshot& values) {
  const std::uint64_t used = values.get(Metric::kRingBytes, Room::kUsed);
  const std::uint64_t size = values.get(Metric::kRingBytes, Room::kSize);
  const std::uint64_t head = values.get(Metric::kRingHead);
  const std::uint64_t oldest = values.get(Metric::kRingOldest);
  const std::string words = readable_bytes(used) + " of " + readable_bytes(size);
  out.append("<div><dt>Ring</dt><dd>").append(words).append("<div><meter aria-label=\"Ring\" max=\"");
  out.append(std::to_string(size)).append("\" value=\"").append(std::to_string(used)).append("\"></meter> ");
  out += head < oldest ? "no event" : "about " + readable_count(head - oldest + 1) + " events";
  out += "</div></dd></div>\n";
}

// Whether the subscription of a copy runs, and how far it is behind.
void append_copy(std::string& out, const MetricsSnapshot& values) {
  if (values.get(Metric::kCopy) == 0) {
    return;
  }
  const std::uint64_t running = values.get(Metric::kCopyRunning);
  const std::uint64_t ids = values.get(Metric::kCopyLagIds);
  const std::uint64_t ms = values.get(Metric::kCopyLag);
  const bool known = ids != kUnknownValue && ms != kUnknownValue;
  std::string note = "how far behind is not known";
  if (known) {
    note = ids == 0 ? "has every event" : readable_count(ids) + " events, " + readable_time(ms * 1'000) + " behind";
  }
  append_tile(out, "Copy of the log",
              running == kUnknownValue ? "not known"
              : running != 0           ? "✔ runs"
                                       : "✖ stopped",
              note, running == 0);
}

void append_tiles(std::string& out, const DatabaseStatus& database, std::size_t index, std::int64_t now_ms) {
  const MetricsSnapshot& values = database.metrics;
  const bool connected = values.get(Metric::kListenerConnected) != 0;
  const std::uint64_t read = values.get(Metric::kListenerLastRead);
  const std::uint64_t log = values.get(Metric::kLogHead);
  const std::uint64_t ring = values.get(Metric::kRingHead);
  out += "<dl class=\"tiles\">\n";
  append_tile(out, "Listener", connected ? "✔ connected" : "✖ not connected", listener_note(database), !connected);
  append_lag(out, values, index);
  append_tile(out, "Log last read", read == 0 ? "never" : readable_time(age_us(now_ms, read)) + " ago",
              log > ring ? readable_count(log - ring) + " events behind" : "to its end, event " + readable_count(ring));
  append_copy(out, values);
  append_ring(out, values);
  append_deliveries(out, values, index);
  const std::uint64_t waiting = values.get(Metric::kPoolQueue) + values.get(Metric::kPrimaryQueue);
  append_tile(out, "Subscribers", readable_count(values.total(Metric::kSubscribers)),
              readable_count(waiting) + (waiting == 1 ? " statement waits" : " statements wait"));
  out += "</dl>\n";
}

void append_database(std::string& out, const DatabaseStatus& database, std::size_t index, std::int64_t now_ms) {
  const Findings found = findings(database, now_ms);
  const Verdict verdict = verdict_of(found);
  append_html(out += "<section>\n<h2><bdi>", database.name);
  out.append("</bdi> <span class=\"verdict ").append(verdict.style).append("\">").append(verdict.words);
  out += "</span></h2>\n";
  append_findings(out, found);
  append_tiles(out, database, index, now_ms);
  append_tables(out, database, index, now_ms);
  out += "</section>\n";
}

// The worst of all databases, for the tab's title.
const char* title_of(const StatusView& view) {
  const char* title = "✔ well · pgevents";
  for (const DatabaseStatus& database : view.databases) {
    const Findings found = findings(database, view.now_ms);
    if (any_failure(found)) {
      return "✖ not delivering · pgevents";
    }
    if (!found.empty()) {
      title = "▲ warning · pgevents";
    }
  }
  return title;
}

std::string utc(std::int64_t now_ms) {
  const auto seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm parts{};
  char text[32];
  const bool known = gmtime_r(&seconds, &parts) != nullptr;
  return {text, known ? std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) : 0};
}

void append_head(std::string& out, const StatusView& view) {
  out.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
  out.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
      .append(title_of(view));
  out.append("</title>\n<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n<style>").append(kPageStyle);
  out.append("</style>\n</head>\n<body>\n<header>\n<h1>pgevents ");
  append_html(out, view.version);
  append_html(out += "</h1>\n<p>nginx ", view.server_version);
  append_html(out += ", schema ", view.schema);
  out += "</p>\n<p id=\"state\" role=\"status\">Reloads every 2 s</p>\n</header>\n";
}

}  // namespace

std::string status_page(const StatusView& view) {
  std::string out;
  append_head(out, view);
  out.append("<main data-time=\"").append(std::to_string(view.now_ms)).append("\">\n");
  for (std::size_t i = 0; i < view.databases.size(); ++i) {
    append_database(out, view.databases[i], i, view.now_ms);
  }
  if (view.databases.empty()) {
    out += "<p>This nginx has no pgevents_database.</p>\n";
  }
  out.append("<p>As of ").append(utc(view.now_ms)).append(", from worker ").append(std::to_string(view.pid));
  out.append(", for all workers.</p>\n</main>\n<script>").append(kPageScript).append("</script>\n</body>\n</html>\n");
  return out;
}

std::string_view status_page_policy() noexcept {
  return kPagePolicy;
}

}  // namespace pgevents
