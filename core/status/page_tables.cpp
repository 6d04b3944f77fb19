// See page_tables.hpp.
#include "core/status/page_tables.hpp"

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "core/status/html.hpp"
#include "core/status/readable.hpp"

namespace pgevents {
namespace {

constexpr std::size_t kMostWorkers = 16;

// One table: rows of a name and a value, with `beside` also of a second value, which the script may fill. It is
// complete when this object ends.
class Table {
 public:
  Table(std::string& out, std::size_t index, const char* caption, const char* value, std::string_view beside = {})
      : out_(out), index_(index), has_beside_(!beside.empty()) {
    out_.append("<div><table><caption>").append(caption).append("</caption>\n<thead><tr><td></td><th scope=\"col\">");
    out_ += value;
    if (has_beside_) {
      out_.append("</th><th scope=\"col\">").append(beside);
    }
    out_ += "</th></tr></thead>\n<tbody>\n";
  }
  ~Table() { out_ += "</tbody></table></div>\n"; }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void row(std::string_view name, std::string_view value, std::string_view beside = "") {
    head(name, "");
    append_html(out_ += "<td>", value);
    out_ += "</td>";
    if (has_beside_) {
      append_html(out_ += "<td>", beside);
      out_ += "</td>";
    }
    out_ += "</tr>\n";
  }
  // `as`: see append_counter(). `part`: a row below that of the whole.
  void counter(std::string_view name, const std::string& key, std::uint64_t value, const char* as, bool part = false) {
    head(name, part ? " class=\"part\"" : "");
    append_counter(out_ += "<td", index_, key.c_str(), as, std::to_string(value));
    out_.append(std::string_view(as) == "bytes" ? readable_bytes(value) : readable_count(value));
    out_ += "</td><td></td></tr>\n";
  }

 private:
  void head(std::string_view name, const char* attributes) {
    append_html(out_.append("<tr><th scope=\"row\"").append(attributes).append(">"), name);
    out_ += "</th>";
  }

  std::string& out_;
  std::size_t index_;
  bool has_beside_;
};

void counter(Table& table, std::string_view name, Metric metric, const MetricsSnapshot& values, const char* as) {
  table.counter(name, info_of(metric).name, values.total(metric), as);
}

// The whole, and each label value that has counted.
void counters(Table& table, std::string_view name, Metric metric, const MetricsSnapshot& values, const char* as) {
  counter(table, name, metric, values, as);
  const MetricInfo& info = info_of(metric);
  for (std::size_t at = 0; at < info.labels[0].count; ++at) {
    const std::uint64_t value = values.at(word_of(metric, at));
    if (value != 0) {
      const char* const word = info.labels[0].words[at];
      table.counter(word, std::string(info.name) + "." + word, value, as, true);
    }
  }
}

// Of all requests, or of one kind.
std::uint64_t requests(const MetricsSnapshot& values, std::size_t kind, char first_digit) {
  std::uint64_t sum = 0;
  for (std::size_t status = 0; status < static_cast<std::size_t>(StatusLabel::kCount); ++status) {
    if (first_digit == '\0' || kStatusWords[status][0] == first_digit) {
      sum += values.at(word_of(Metric::kRequests, kind, status));
    }
  }
  return sum;
}

std::uint64_t all_requests(const MetricsSnapshot& values, char first_digit) {
  std::uint64_t sum = 0;
  for (std::size_t kind = 0; kind < static_cast<std::size_t>(RequestKind::kCount); ++kind) {
    sum += requests(values, kind, first_digit);
  }
  return sum;
}

void append_traffic(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  Table table(out, index, "Traffic", "total", "now");
  counter(table, "Events from log", Metric::kEventsRead, values, "rate");
  counter(table, "Deliveries", Metric::kDeliveries, values, "rate");
  counter(table, "Sent", Metric::kSentBytes, values, "bytes");
  table.counter("Requests", "requests_total", values.total(Metric::kRequests), "rate");
  for (std::size_t kind = 0; kind < static_cast<std::size_t>(RequestKind::kCount); ++kind) {
    const std::uint64_t value = requests(values, kind, '\0');
    if (value != 0) {
      table.counter(kRequestKindWords[kind], std::string("requests.") + kRequestKindWords[kind], value, "rate", true);
    }
  }
  counter(table, "Token cache hits", Metric::kTokenCacheHits, values, "rate");
}

void append_subscribers(std::string& out, const DatabaseStatus& database, std::size_t index) {
  const MetricsSnapshot& values = database.metrics;
  Table table(out, index, "Subscribers", "waiting");
  table.row("Event streams", readable_count(values.get(Metric::kSubscribers, SubscriberKind::kStream)));
  table.row("Event streams, released", readable_count(values.get(Metric::kSubscribers, SubscriberKind::kReleased)));
  table.row("Long polls", readable_count(values.get(Metric::kSubscribers, SubscriberKind::kLongPoll)));
  table.row("WebSockets", readable_count(values.get(Metric::kSubscribers, SubscriberKind::kWebSocket)));
  table.row("Channels, by worker", readable_count(values.get(Metric::kChannels)));
  if (database.channel) {
    const auto& [name, subscribers, silent] = *database.channel;
    const std::string silence =
        "not known: " + std::to_string(silent) + " worker" + (silent == 1 ? "" : "s") + " did not answer in time";
    table.row("Channel " + name, silent == 0 ? readable_count(subscribers) : silence);
  }
}

void append_troubles(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  Table table(out, index, "Errors and exceptions", "total", "last minute");
  table.counter("Responses 5xx", "5xx", all_requests(values, '5'), "more");
  table.counter("Responses 4xx", "4xx", all_requests(values, '4'), "more");
  counters(table, "Not authorised", Metric::kAuthFailures, values, "more");
  counters(table, "Declined", Metric::kDeclined, values, "more");
  counters(table, "pgevents.reset", Metric::kResets, values, "more");
  counter(table, "Statements rejected", Metric::kPoolRejected, values, "more");
  counter(table, "Rejected for the primary", Metric::kPrimaryRejected, values, "more");
  counter(table, "Found by the sweep", Metric::kSweepFoundEvents, values, "more");
  counter(table, "Ring overruns", Metric::kRingOverruns, values, "more");
  counter(table, "Listener connected", Metric::kListenerConnects, values, "more");
  counter(table, "Listener taken over", Metric::kListenerTakeovers, values, "more");
}

void append_endings(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  Table table(out, index, "Ends of event streams", "total", "last minute");
  counters(table, "All", Metric::kStreamEnds, values, "more");
}

struct PoolMetrics {
  Metric connections;
  Metric queue;
  Metric slow;
};

void append_pool(std::string& out, const MetricsSnapshot& values, std::size_t index, const char* title,
                 const PoolMetrics& pool) {
  Table table(out, index, title, "now");
  table.row("Busy", readable_count(values.get(pool.connections, PoolState::kBusy)));
  table.row("Idle", readable_count(values.get(pool.connections, PoolState::kIdle)));
  table.row("Connecting", readable_count(values.get(pool.connections, PoolState::kConnecting)));
  table.row("Statements that wait", readable_count(values.get(pool.queue)));
  table.row("Statements of more than 2 s", readable_count(values.get(pool.slow)));
}

void append_pools(std::string& out, const DatabaseStatus& database, std::size_t index) {
  append_pool(out, database.metrics, index, "Connections to PostgreSQL",
              {Metric::kPoolConnections, Metric::kPoolQueue, Metric::kPoolSlow});
  if (database.has_primary) {
    append_pool(out, database.metrics, index, "Connections to the primary",
                {Metric::kPrimaryConnections, Metric::kPrimaryQueue, Metric::kPrimarySlow});
  }
}

void append_statements(std::string& out, const MetricsSnapshot& values, std::size_t index) {
  Table table(out, index, "Statements", "total", "99 % within");
  for (std::size_t at = 0; at < static_cast<std::size_t>(StatementLabel::kCount); ++at) {
    const std::size_t word = word_of(Metric::kQueryDuration, at);
    if (const auto time = readable_quantile(values, word, 99)) {
      table.row(kStatementWords[at], readable_count(values.observations(word)), *time);
    }
  }
}

void append_log(std::string& out, const MetricsSnapshot& values, std::size_t index, std::int64_t now_ms) {
  Table table(out, index, "Log and tables", "value");
  const bool is_copy = values.get(Metric::kCopy) != 0;
  table.row("Role", is_copy ? "copy" : "primary");
  if (const std::uint64_t errors = values.get(Metric::kCopyErrors); is_copy && errors != kUnknownValue) {
    table.row("Errors of the subscription", readable_count(errors));
  }
  table.row("Newest event of the log", readable_count(values.get(Metric::kLogHead)));
  table.row("Newest event in the ring", readable_count(values.get(Metric::kRingHead)));
  table.row("Oldest event in the ring", readable_count(values.get(Metric::kRingOldest)));
  const std::uint64_t pruned = values.get(Metric::kPruneLastSuccess);
  table.row("Last prune by this nginx", pruned == 0 ? "none" : readable_time(age_us(now_ms, pruned)) + " ago");
  table.row("Rows pruned", readable_count(values.get(Metric::kPruneRemoved)));
  table.row("Catch-up queries", readable_count(values.get(Metric::kCatchupQueries)));
  table.row("Revocations", readable_count(values.get(Metric::kRevocations, Room::kUsed)) + " of " +
                               readable_count(values.get(Metric::kRevocations, Room::kSize)));
}

void append_workers(std::string& out, const DatabaseStatus& database, std::size_t index) {
  Table table(out, index, "Workers", "subscribers", "deliveries");
  std::size_t shown = 0;
  for (const WorkerStatus& worker : database.workers) {
    if (++shown > kMostWorkers) {
      table.row("and " + std::to_string(database.workers.size() - kMostWorkers) + " more", "");
      break;
    }
    table.row(std::to_string(worker.pid) + (worker.listens ? ", listens" : ""),
              readable_count(worker.metrics.total(Metric::kSubscribers)),
              readable_count(worker.metrics.get(Metric::kDeliveries)));
  }
}

}  // namespace

void append_counter(std::string& out, std::size_t index, const char* key, const char* as, const std::string& numbers) {
  out.append(" data-key=\"").append(std::to_string(index)).append(".").append(key).append("\" data-as=\"").append(as);
  out.append("\" data-n=\"").append(numbers).append("\">");
}

void append_tables(std::string& out, const DatabaseStatus& database, std::size_t index, std::int64_t now_ms) {
  out += "<div class=\"tables\">\n";
  append_traffic(out, database.metrics, index);
  append_subscribers(out, database, index);
  append_troubles(out, database.metrics, index);
  append_pools(out, database, index);
  append_statements(out, database.metrics, index);
  append_log(out, database.metrics, index, now_ms);
  append_endings(out, database.metrics, index);
  append_workers(out, database, index);
  out += "</div>\n";
}

}  // namespace pgevents
