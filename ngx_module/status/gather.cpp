// See gather.hpp. Reads the shared memory only, so that any process answers, and also while the database is away.
#include "ngx_module/status/gather.hpp"

#include <algorithm>
#include <string>

#include "core/version.hpp"
#include "ngx_module/database_worker.hpp"
#include "ngx_module/status/readiness.hpp"
#include "postgres/session_start.hpp"

namespace pgevents::nginx {
namespace {

void add_instance(const DatabaseWorker& database, MetricsSnapshot& to) {
  const SharedRoot& root = database.root();
  const Ring::Snapshot ring = database.ring().snapshot();
  to.set(root.connected.load(), Metric::kListenerConnected);
  to.set(static_cast<std::uint64_t>(root.read_ms.load()), Metric::kListenerLastRead);
  to.set(std::max(root.log_head.load(), ring.last_id), Metric::kLogHead);
  to.set(ring.last_id, Metric::kRingHead);
  to.set(ring.floor + 1, Metric::kRingOldest);
  to.set(database.ring().bytes_used(), Metric::kRingBytes, Room::kUsed);
  to.set(database.ring().bytes_size(), Metric::kRingBytes, Room::kSize);
  to.set(database.revoked_users(), Metric::kRevocations, Room::kUsed);
  to.set(kRevocationSlots, Metric::kRevocations, Room::kSize);
  to.set(static_cast<std::uint64_t>(root.pruned_ms.load()), Metric::kPruneLastSuccess);
  to.set(static_cast<std::uint64_t>(root.troubles.prune_failing_ms.load()), Metric::kPruneFailingSince);
}

// While no listener follows the copy, its state is not known, except for what has been counted.
void add_copy(const DatabaseWorker& database, bool asks_primary, MetricsSnapshot& to) {
  const SharedRoot& root = database.root();
  const SharedCopy& copy = root.copy;
  const bool is_copy = copy.is_copy.load() != 0;
  const bool follows = is_copy && root.connected.load() != 0;
  const auto known = [](bool is_known, const std::atomic<std::uint64_t>& value) {
    return is_known ? value.load() : kUnknownValue;
  };
  to.set(is_copy ? 1 : 0, Metric::kCopy);
  to.set(known(follows, copy.is_running), Metric::kCopyRunning);
  to.set(known(is_copy, copy.errors), Metric::kCopyErrors);
  to.set(known(follows && asks_primary, copy.lag_ids), Metric::kCopyLagIds);
  to.set(known(follows && asks_primary, copy.lag_ms), Metric::kCopyLag);
}

Troubles troubles_of(const SharedTroubles& shared) {
  const auto time = [](const std::atomic<std::int64_t>& ms) { return static_cast<std::uint64_t>(ms.load()); };
  const std::uint64_t failed = time(shared.primary.connect_failed_ms);
  return {time(shared.unnotified_ms),          time(shared.notified_ms),
          time(shared.pool.connect_failed_ms), time(shared.pool.connected_ms),
          time(shared.prune_failing_ms),       failed > time(shared.primary.connected_ms) ? failed : 0};
}

void add_workers(const DatabaseWorker& database, DatabaseStatus& to) {
  const MetricsSlots& slots = database.slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::uint64_t owner = slots.owner(i);
    if (owner != 0 && !owner_is_dead(owner)) {
      WorkerStatus& worker = to.workers.emplace_back();
      worker.pid = static_cast<std::uint32_t>(owner);
      worker.listens = database.root().lease.owned_by(owner);
      slots.read(i, worker.metrics);
    }
  }
  to.metrics.set(to.workers.size(), Metric::kWorkers);
}

DatabaseStatus gather(const DatabaseWorker& database) {
  DatabaseStatus status;
  status.name = view(database.conf().name);
  database.slots().sum(status.metrics, owner_is_dead);
  add_instance(database, status.metrics);
  status.troubles = troubles_of(database.root().troubles);
  if (database.conf().primary == nullptr) {
    status.troubles.primary_failed_ms = 0;  // a reload has taken it away
  }
  status.metrics.set(status.troubles.primary_failed_ms != 0 ? 1 : 0, Metric::kPrimaryAway);
  status.has_primary = database.conf().primary != nullptr;
  add_copy(database, status.has_primary && status.troubles.primary_failed_ms == 0, status.metrics);
  add_workers(database, status);
  status.not_ready = why_not_following(database, 0);
  return status;
}

}  // namespace

std::vector<DatabaseWorker*> databases_of(ngx_http_request_t* r, const ngx_str_t& name) {
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  if (name.len != 0) {
    return {find_database(main, name)->worker};
  }
  std::vector<DatabaseWorker*> all;
  auto** databases = static_cast<DatabaseConf**>(main->databases.elts);
  for (ngx_uint_t i = 0; i < main->databases.nelts; ++i) {
    all.push_back(databases[i]->worker);
  }
  return all;
}

StatusView gather_status(const std::vector<DatabaseWorker*>& databases) {
  static const std::string schema = std::to_string(postgres::kSchemaVersion);
  StatusView status;
  status.version = kVersion;
  status.server_version = NGINX_VERSION;
  status.schema = schema;
  status.pid = static_cast<std::uint32_t>(ngx_pid);
  status.now_ms = static_cast<std::int64_t>(now_seconds() * 1e3);
  for (const DatabaseWorker* database : databases) {
    status.databases.push_back(gather(*database));
  }
  return status;
}

}  // namespace pgevents::nginx
