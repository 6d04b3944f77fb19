// The status as JSON, for scripts and for the status page, which reads it to refresh itself.
//
// {"version":"0.9.0","nginx":"1.22.1","schema":"8","pid":4711,"time":1656958539.620,
//  "databases":[{"name":"main","ready":true,"why":"",
//    "metrics":{"deliveries_total":92,"subscribers":{"stream":2,"released":0,"longpoll":1},
//      "requests_total":[{"endpoint":"publish","status":"201","value":92}],
//      "delivery_lag_seconds":{"ring":{"count":92,"sum":0.061,"buckets":{"0.00025":1,…,"+Inf":0}},"socket":{…}}},
//    "workers":[{"pid":4711,"listens":true,"metrics":{…}}],
//    "channel":{"name":"cheese","subscribers":3,"silent_workers":0}}]}
//
// A metric is a number; with a label an object by its values; with two labels a list. Buckets are not cumulative here.
// Series that Prometheus would not get, because they have not counted, are left out. `channel` is there if it was asked
// for; its `subscribers` is null if a worker has not answered. A worker has no values of the instance.
#pragma once

#include <cstdint>
#include <string>

#include "core/status/status_view.hpp"

namespace pgevents {

std::string status_json(const StatusView& view);

// Appends one metric of any table as a member `"name":value`; `words`: all of the metric, from its first one on.
void append_json_metric(std::string& out, const MetricInfo& info, const std::uint64_t* words);

}  // namespace pgevents
