// The listener: follows the log for the whole nginx instance and fills the ring. Every worker has this object, but only the one that
// holds the lease in shared memory connects; any other takes over when the holder gives up, dies or stalls.
#pragma once

#include "ngx_module/postgres/pg_connection.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class Listener final : private PgConnection::Owner {
 public:
  // `wake` tells all workers of the instance, this one included, that the ring has grown.
  Listener(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations, QueryPool& pool,
           std::uint64_t self, std::function<void()> wake, ngx_log_t* log);
  ~Listener();

  void start();
  // Gives the role up so that another worker can take it at once.
  void stop() noexcept;
  // The lease may have become free: look now instead of at the next tick.
  void look();
  // Whether this worker has the role, and the connection that goes with it.
  bool listening() const noexcept { return holder_ && !connection_.closed(); }

 private:
  enum class Step { kIdle, kListen, kBackend, kProbe, kProof, kPosition, kStart, kRevocations, kPrepare, kRead };

  static void on_tick(ngx_event_t* event);
  static void on_sweep(ngx_event_t* event);
  static void on_prune(ngx_event_t* event);

  void pg_ready() override;
  void pg_result(const PGresult* result) override;
  void pg_notified(std::string_view channel) override;
  void pg_failed(const char* why) noexcept override;

  void connect() noexcept;
  void read_more();
  void take_backend(const PGresult* row);
  void listen_for_probe();
  void wait_for_proof();
  void ask_position();
  void sweep();
  void take_position(const PGresult* row);
  void take_revocations(const PGresult* rows);
  void take_event(const PGresult* row);
  void note_control(const EventView& event);
  void announce() noexcept;
  void caught_up();
  void prune();
  void pruned(const QueryResult& result);
  void lost_role() noexcept;
  void set_connected(bool connected) noexcept;

  const DatabaseConf& conf_;
  SharedRoot& root_;
  Ring& ring_;
  SharedRevocations& revocations_;
  QueryPool& pool_;
  const std::uint64_t self_;
  std::function<void()> wake_;
  ngx_log_t* log_;
  PgConnection connection_;
  ngx_event_t tick_{};
  ngx_event_t sweep_{};
  ngx_event_t prune_timer_{};
  std::shared_ptr<Query> prune_query_;
  std::shared_ptr<Query> probe_query_;
  std::string probe_;         // the channel of the proof
  std::string probe_listen_;  // the statement
  Step step_ = Step::kIdle;
  bool holder_ = false;
  bool again_ = false;                       // a NOTIFY came while a read was under way
  bool failed_ = false;                      // the running statement was refused
  bool grown_ = false;                       // rows were appended since the last wake
  std::size_t unannounced_ = 0;              // bytes of events since then
  bool pooled_ = false;                      // the session is not the connection's: a pooler is in between
  std::optional<std::uint64_t> swept_from_;  // the ring's newest id when a read began that nothing had announced
  bool unannounced_found_ = false;           // the last sweep found events, and no NOTIFY came since
  ngx_msec_t complained_at_ = 0;             // of that, in the log
  int rows_ = 0;                             // of the running read
  std::uint64_t base_ = 0;                   // the cursor of the running read
  std::uint64_t epoch_ = 0;                  // of the ring when the position was taken
  std::uint64_t head_ = 0;                   // of the log at that time: the revocations hold what was said up to there
  ngx_msec_t retry_at_ = 0;
  ngx_msec_t backoff_ = 0;
};

}  // namespace pgevents::nginx
