// What requests that one statement answers use of their database. The parts belong to the database's worker and outlive
// every request.
#pragma once

#include "core/metrics/metrics.hpp"

namespace pgevents::nginx {

class PresenceStates;
class Publications;
class QueryPool;
class Reports;
class ServiceState;

struct RequestContext {
  QueryPool& pool;
  const ServiceState& service;
  Publications& publications;
  Reports& reports;
  PresenceStates& presence_states;
  Metrics& metrics;
};

}  // namespace pgevents::nginx
