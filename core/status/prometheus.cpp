// See prometheus.hpp.
#include "core/status/prometheus.hpp"

#include <cstddef>

#include "core/status/number.hpp"

namespace pgevents {
namespace {

constexpr char kPrefix[] = "pgevents_";

void append_label(std::string& labels, std::string_view name, std::string_view value) {
  labels.append(labels.empty() ? "" : ",").append(name).append("=\"");
  for (const char c : value) {
    if (c == '\n') {
      labels += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') {
      labels += '\\';
    }
    labels += c;
  }
  labels += '"';
}

const char* type_word(MetricType type) noexcept {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      break;
  }
  return "histogram";
}

void append_head(std::string& out, std::string_view name, std::string_view help, MetricType type) {
  out.append("# HELP ").append(kPrefix).append(name).append(" ").append(help);
  out.append("\n# TYPE ").append(kPrefix).append(name).append(" ").append(type_word(type)).append("\n");
}

void append_line(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                 std::uint64_t value, MetricUnit unit) {
  out.append(kPrefix).append(name).append(suffix).append("{").append(labels).append("} ");
  append_metric(out, value, unit);
  out += '\n';
}

// Prometheus' buckets are cumulative.
void append_histogram(std::string& out, const MetricInfo& info, const MetricsSnapshot& values, std::size_t word,
                      const std::string& labels) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    count += values.at(word + i);
    std::string bound = "+Inf";
    if (i < kBucketCount - 1) {
      bound.clear();
      append_metric(bound, kBucketBounds[i], info.unit);
    }
    std::string with_bound = labels;
    append_label(with_bound, "le", bound);
    append_line(out, info.name, "_bucket", with_bound, count, MetricUnit::kNone);
  }
  append_line(out, info.name, "_sum", labels, values.at(word + kBucketCount), info.unit);
  append_line(out, info.name, "_count", labels, count, MetricUnit::kNone);
}

void append_series(std::string& out, Metric metric, const DatabaseStatus& database, std::size_t at0, std::size_t at1) {
  const MetricInfo& info = info_of(metric);
  const std::size_t word = word_of(metric, at0, at1);
  const bool histogram = info.type == MetricType::kHistogram;
  const std::uint64_t seen = histogram ? database.metrics.observations(word) : database.metrics.at(word);
  if (info.sparse && seen == 0) {
    return;
  }
  std::string labels;
  append_label(labels, "database", database.name);
  const std::size_t at[] = {at0, at1};
  for (std::size_t i = 0; i < 2 && info.labels[i].name != nullptr; ++i) {
    append_label(labels, info.labels[i].name, info.labels[i].words[at[i]]);
  }
  if (histogram) {
    append_histogram(out, info, database.metrics, word, labels);
  } else {
    append_line(out, info.name, "", labels, seen, info.unit);
  }
}

void append_build_info(std::string& out, const StatusView& view) {
  std::string labels;
  append_label(labels, "version", view.version);
  append_label(labels, "nginx", view.server_version);
  append_label(labels, "schema", view.schema);
  append_head(out, "build_info", "Versions of pgevents, of nginx, and of the schema that this version belongs to.",
              MetricType::kGauge);
  append_line(out, "build_info", "", labels, 1, MetricUnit::kNone);
}

}  // namespace

std::string prometheus_text(const StatusView& view) {
  std::string out;
  append_build_info(out, view);
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    const MetricInfo& info = kMetrics[i];
    append_head(out, info.name, info.help, info.type);
    for (const DatabaseStatus& database : view.databases) {
      for (std::size_t at0 = 0; at0 < info.labels[0].count; ++at0) {
        for (std::size_t at1 = 0; at1 < info.labels[1].count; ++at1) {
          append_series(out, static_cast<Metric>(i), database, at0, at1);
        }
      }
    }
  }
  return out;
}

}  // namespace pgevents
