// The listener: follows the log for the whole nginx instance and fills the ring. Every worker has this object, but only
// the one that owns the lease in shared memory connects. Another worker takes over when the owner gives the lease up,
// dies or stalls.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <functional>
#include <string>

#include "core/metrics/metrics.hpp"
#include "ngx_module/listener/copy_state.hpp"
#include "ngx_module/listener/notification_watch.hpp"
#include "ngx_module/listener/pruner.hpp"
#include "ngx_module/listener/read_pacer.hpp"
#include "ngx_module/listener/ring_writer.hpp"
#include "ngx_module/listener/sequencer.hpp"
#include "ngx_module/listener/service_log.hpp"
#include "ngx_module/listener/session_probe.hpp"
#include "ngx_module/postgres/pg_connection.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"
#include "postgres/session_start.hpp"

namespace pgevents::nginx {

class Listener final : private PgConnection::Owner {
 public:
  // The database that the listener follows, and the one to which its log is written: two if the first is a copy.
  struct Pools {
    QueryPool& reading;
    QueryPool& writing;
  };
  // `wake` makes all workers of the instance, this one included, look at the ring.
  Listener(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations, const Pools& pools,
           ServerAddresses& servers, std::uint64_t self, std::function<void()> wake, Metrics& metrics, ngx_log_t* log);
  ~Listener();

  void start();
  // Gives the lease up, so that another worker can take it at once.
  void stop() noexcept;
  // The lease may have become free: look now instead of at the next tick.
  void look();
  // Whether this worker owns the lease and has a connection, or makes one.
  bool listening() const noexcept { return owner_ && !connection_.closed(); }

 private:
  // What the connection does. They follow each other in this order; the three about the probe only behind a pooler.
  enum class Step {
    kConnect,
    kSession,
    kListen,
    kBackend,
    kProbeListen,
    kProof,  // idle, until the probe's notification arrives
    kProbeUnlisten,
    kPosition,
    kRevocations,
    kPrepare,
    kRead,
    kCopyState,  // the log was read to its end before, here and in the next one
    kSequence,   // a statement of the sequencer
    kIdle        // follows the log; also while closed
  };

  static void on_tick(ngx_event_t* event);
  static void on_sweep(ngx_event_t* event);
  static void on_read(ngx_event_t* event);

  void pg_ready() override;
  void pg_result(const PGresult* result) override;
  void pg_notified(const PgConnection::Notification& notification) override;
  void pg_all_notified() override;
  void pg_failed(const char* why) noexcept override;

  bool keep_lease();
  void take_lease();
  void lose_lease() noexcept;
  void connect() noexcept;
  void send(Step step, const Statement& statement) noexcept;
  void begin_session();
  void wait_for_proof();
  void read_more();
  void page_read();
  void caught_up();
  void go_on();
  template <typename Body>
  void or_fail(Body&& body) noexcept;
  void sequenced();
  void take_rows(const PGresult* rows);
  void rejected(const PGresult* result) noexcept;
  void observe_answer() noexcept;
  void sweep();
  void fail(AwayReason reason, const char* why) noexcept;
  bool set_connected(bool connected) noexcept;

  const DatabaseConf& conf_;
  ServerAddresses& servers_;
  SharedRoot& root_;
  Ring& ring_;
  const std::uint64_t self_;
  const std::function<void()> wake_;
  Metrics& metrics_;
  ngx_log_t* log_;
  PgConnection connection_;
  postgres::SessionStart session_{"listener"};
  ServiceLog service_log_;
  RingWriter writer_;
  SessionProbe probe_;
  NotificationWatch watch_;
  ReadPacer pacer_;
  CopyState copy_state_;
  Sequencer sequencer_;
  Pruner pruner_;
  ngx_event_t tick_{};
  ngx_event_t sweep_{};
  ngx_event_t read_{};  // the next read waits for it
  Step step_ = Step::kIdle;
  bool owner_ = false;       // of the lease, as far as this worker knows
  bool again_ = false;       // a NOTIFY came since the last page was asked for
  bool is_new_ = false;      // the connection has not caught up with the log yet
  bool failed_ = false;      // the statement under way cannot be used; `rejection_`: why, empty for want
  std::string rejection_;    // of memory
  postgres::SqlText asked_;  // the statement under way, sent at asked_us_
  std::int64_t asked_us_ = 0;
  AwayReason reason_ = AwayReason::kLostConnection;  // for pg_failed()
  ngx_msec_t retry_at_ = 0;
  ngx_msec_t backoff_ = 0;
};

}  // namespace pgevents::nginx
