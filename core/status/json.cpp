// See json.hpp.
#include "core/status/json.hpp"

#include <cstddef>

#include "core/status/findings.hpp"
#include "core/status/number.hpp"
#include "core/wire/event.hpp"

namespace pgevents {
namespace {

// Appends members or elements with commas between them.
class Commas {
 public:
  explicit Commas(std::string& out) : out_(out) {}
  std::string& next() {
    out_.append(first_ ? "" : ",");
    first_ = false;
    return out_;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

std::string& append_name(std::string& out, std::string_view name) {
  append_string(out, name);
  return out += ':';
}

void append_histogram(std::string& out, const MetricInfo& info, const std::uint64_t* series) {
  out.append("{\"count\":").append(std::to_string(observations_in(series))).append(",\"sum\":");
  append_metric(out, series[kBucketCount], info.unit);
  out += ",\"buckets\":{";
  Commas commas(out);
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    std::string bound = "+Inf";
    if (i < kBucketCount - 1) {
      bound.clear();
      append_metric(bound, kBucketBounds[i], info.unit);
    }
    append_name(commas.next(), bound) += std::to_string(series[i]);
  }
  out += "}}";
}

void append_value(std::string& out, const MetricInfo& info, const std::uint64_t* series) {
  if (info.type == MetricType::kHistogram) {
    append_histogram(out, info, series);
  } else if (*series == kUnknownValue) {
    out += "null";
  } else {
    append_metric(out, *series, info.unit);
  }
}

bool is_shown(const MetricInfo& info, const std::uint64_t* series) {
  return !info.sparse || (info.type == MetricType::kHistogram ? observations_in(series) : *series) != 0;
}

void append_by_label(std::string& out, const MetricInfo& info, const std::uint64_t* words) {
  out += '{';
  Commas commas(out);
  for (std::size_t at = 0; at < info.labels[0].count; ++at) {
    const std::uint64_t* const series = words + word_in(info, at);
    if (is_shown(info, series)) {
      append_value(append_name(commas.next(), info.labels[0].words[at]), info, series);
    }
  }
  out += '}';
}

void append_by_labels(std::string& out, const MetricInfo& info, const std::uint64_t* words) {
  out += '[';
  Commas commas(out);
  for (std::size_t at0 = 0; at0 < info.labels[0].count; ++at0) {
    for (std::size_t at1 = 0; at1 < info.labels[1].count; ++at1) {
      const std::uint64_t* const series = words + word_in(info, at0, at1);
      if (!is_shown(info, series)) {
        continue;
      }
      append_string(append_name(commas.next() += '{', info.labels[0].name), info.labels[0].words[at0]);
      append_string(append_name(out += ',', info.labels[1].name), info.labels[1].words[at1]);
      append_value(out += ",\"value\":", info, series);
      out += '}';
    }
  }
  out += ']';
}

// The metrics before `end`.
void append_metrics(std::string& out, const MetricsSnapshot& values, Metric end) {
  out += "\"metrics\":{";
  Commas commas(out);
  for (std::size_t i = 0; i < static_cast<std::size_t>(end); ++i) {
    const auto metric = static_cast<Metric>(i);
    append_json_metric(commas.next(), kMetrics[i], values.of(metric));
  }
  out += '}';
}

void append_workers(std::string& out, const DatabaseStatus& database) {
  out += ",\"workers\":[";
  Commas commas(out);
  for (const WorkerStatus& worker : database.workers) {
    commas.next().append("{\"pid\":").append(std::to_string(worker.pid));
    out.append(",\"listens\":").append(worker.listens ? "true," : "false,");
    append_metrics(out, worker.metrics, kFirstOfInstance);
    out += '}';
  }
  out += ']';
}

void append_findings(std::string& out, const DatabaseStatus& database, std::int64_t now_ms) {
  out += ",\"findings\":[";
  Commas commas(out);
  for (const Finding& finding : findings(database, now_ms)) {
    append_string(commas.next() += "{\"alert\":", finding.alert);
    out.append(",\"failure\":").append(finding.level == Finding::Level::kFailure ? "true" : "false");
    append_string(out += ",\"what\":", finding.what);
    append_string(out += ",\"advice\":", finding.advice);
    out += '}';
  }
  out += ']';
}

void append_database(std::string& out, const DatabaseStatus& database, std::int64_t now_ms) {
  append_string(out += "{\"name\":", database.name);
  out.append(",\"ready\":").append(database.not_ready.empty() ? "true" : "false");
  append_string(out += ",\"why\":", database.not_ready);
  append_findings(out, database, now_ms);
  append_metrics(out += ',', database.metrics, Metric::kCount);
  append_workers(out, database);
  if (database.channel) {
    const auto& [name, subscribers, silent] = *database.channel;
    append_string(out += ",\"channel\":{\"name\":", name);
    out.append(",\"subscribers\":").append(silent == 0 ? std::to_string(subscribers) : "null");
    out.append(",\"silent_workers\":").append(std::to_string(silent)).append("}");
  }
  out += '}';
}

}  // namespace

void append_json_metric(std::string& out, const MetricInfo& info, const std::uint64_t* words) {
  append_name(out, info.name);
  if (info.labels[1].name != nullptr) {
    append_by_labels(out, info, words);
  } else if (info.labels[0].name != nullptr) {
    append_by_label(out, info, words);
  } else {
    append_value(out, info, words);
  }
}

std::string status_json(const StatusView& view) {
  std::string out;
  append_string(out += "{\"version\":", view.version);
  append_string(out += ",\"nginx\":", view.server_version);
  append_string(out += ",\"schema\":", view.schema);
  out.append(",\"pid\":").append(std::to_string(view.pid)).append(",\"time\":");
  append_metric(out, static_cast<std::uint64_t>(view.now_ms), MetricUnit::kMilliseconds);
  out += ",\"databases\":[";
  Commas commas(out);
  for (const DatabaseStatus& database : view.databases) {
    append_database(commas.next(), database, view.now_ms);
  }
  return out += "]}\n";
}

}  // namespace pgevents
