// See prometheus.hpp.
#include "core/status/prometheus.hpp"

#include <cstddef>

#include "core/status/number.hpp"

namespace pgevents {
namespace {

constexpr std::string_view kPrefix = "pgevents_";

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

void append_head(std::string& out, const std::string& name, std::string_view help, MetricType type) {
  out.append("# HELP ").append(name).append(" ").append(help);
  out.append("\n# TYPE ").append(name).append(" ").append(type_word(type)).append("\n");
}

void append_line(std::string& out, const std::string& name, std::string_view suffix, std::string_view labels,
                 std::uint64_t value, MetricUnit unit) {
  out.append(name).append(suffix);
  if (!labels.empty()) {
    out.append("{").append(labels).append("}");
  }
  append_metric(out += ' ', value, unit);
  out += '\n';
}

// Prometheus' buckets are cumulative.
void append_histogram(std::string& out, const std::string& name, MetricUnit unit, const std::uint64_t* series,
                      const std::string& labels) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kBucketCount; ++i) {
    count += series[i];
    std::string bound = "+Inf";
    if (i < kBucketCount - 1) {
      bound.clear();
      append_metric(bound, kBucketBounds[i], unit);
    }
    std::string with_bound = labels;
    append_label(with_bound, "le", bound);
    append_line(out, name, "_bucket", with_bound, count, MetricUnit::kNone);
  }
  append_line(out, name, "_sum", labels, series[kBucketCount], unit);
  append_line(out, name, "_count", labels, count, MetricUnit::kNone);
}

// `at`: the label values.
void append_series(std::string& out, const std::string& name, const MetricInfo& info, const MetricValues& values,
                   const std::size_t (&at)[2]) {
  const std::uint64_t* const series = values.words + word_in(info, at[0], at[1]);
  const bool histogram = info.type == MetricType::kHistogram;
  if ((info.sparse && (histogram ? observations_in(series) : *series) == 0) ||
      (!histogram && *series == kUnknownValue)) {
    return;
  }
  std::string labels;
  if (!values.database.empty()) {
    append_label(labels, "database", values.database);
  }
  for (std::size_t i = 0; i < 2 && info.labels[i].name != nullptr; ++i) {
    append_label(labels, info.labels[i].name, info.labels[i].words[at[i]]);
  }
  if (histogram) {
    append_histogram(out, name, info.unit, series, labels);
  } else {
    append_line(out, name, "", labels, *series, info.unit);
  }
}

void append_build_info(std::string& out, const StatusView& view) {
  std::string labels;
  append_label(labels, "version", view.version);
  append_label(labels, "nginx", view.server_version);
  append_label(labels, "schema", view.schema);
  const std::string name = std::string(kPrefix) + "build_info";
  append_head(out, name, "Versions of pgevents, of nginx, and of the schema that this version belongs to.",
              MetricType::kGauge);
  append_line(out, name, "", labels, 1, MetricUnit::kNone);
}

}  // namespace

void append_prometheus(std::string& out, std::string_view prefix, const MetricInfo& info,
                       const std::vector<MetricValues>& values) {
  const std::string name = std::string(prefix) + info.name;
  append_head(out, name, info.help, info.type);
  for (const MetricValues& one : values) {
    for (std::size_t at0 = 0; at0 < info.labels[0].count; ++at0) {
      for (std::size_t at1 = 0; at1 < info.labels[1].count; ++at1) {
        append_series(out, name, info, one, {at0, at1});
      }
    }
  }
}

std::string prometheus_text(const StatusView& view) {
  std::string out;
  append_build_info(out, view);
  std::vector<MetricValues> values(view.databases.size());
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    for (std::size_t d = 0; d < values.size(); ++d) {
      values[d] = {view.databases[d].name, view.databases[d].metrics.of(static_cast<Metric>(i))};
    }
    append_prometheus(out, kPrefix, kMetrics[i], values);
  }
  return out;
}

}  // namespace pgevents
