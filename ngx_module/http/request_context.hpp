// What requests that one statement answers use of their database. The parts belong to the database's worker and outlive
// every request.
#pragma once

namespace pgevents::nginx {

class PresenceStates;
class QueryPool;
class Reports;
class ServiceState;

struct RequestContext {
  QueryPool& pool;
  const ServiceState& service;
  Reports& reports;
  PresenceStates& presence_states;
};

}  // namespace pgevents::nginx
