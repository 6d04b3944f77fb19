// See page.hpp.
#include "core/status/page.hpp"

#include <cstddef>

#include "core/status/number.hpp"

namespace pgevents {
namespace {

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
}

void append_row(std::string& out, std::string_view name, std::string_view value) {
  append_html(out += "<tr><th>", name);
  append_html(out += "</th><td>", value);
  out += "</td></tr>\n";
}

void append_database(std::string& out, const DatabaseStatus& database) {
  append_html(out += "<h2>Database ", database.name);
  append_html(out += "</h2>\n<p>", database.not_ready.empty() ? "ready" : database.not_ready);
  out += "</p>\n<table>\n";
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    std::string value;
    append_metric(value, database.metrics.total(static_cast<Metric>(i)),
                  kMetrics[i].type == MetricType::kHistogram ? MetricUnit::kNone : kMetrics[i].unit);
    append_row(out, kMetrics[i].name, value);
  }
  if (database.channel) {
    append_row(out, "subscribers of " + database.channel->name, std::to_string(database.channel->subscribers));
  }
  out += "</table>\n";
}

}  // namespace

std::string status_page(const StatusView& view) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>pgevents</title>\n<h1>pgevents ";
  append_html(out, view.version);
  out += "</h1>\n";
  for (const DatabaseStatus& database : view.databases) {
    append_database(out, database);
  }
  return out += "</html>\n";
}

std::string_view status_page_policy() noexcept {
  return "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
}

}  // namespace pgevents
