// One database in one worker: owns the listener, the query pool, the channels and their subscribers, and moves events from the ring to
// them in slices. Made when the worker starts, taken down when it leaves.
#pragma once

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/delivery/catchup.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/block_reader.hpp"
#include "ngx_module/delivery/subscribers_by_user.hpp"
#include "ngx_module/listener/listener.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/presence/connection_tracker.hpp"
#include "ngx_module/presence/presence_states.hpp"
#include "ngx_module/presence/reports.hpp"
#include "ngx_module/presence/ticker.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class DatabaseWorker {
 public:
  DatabaseWorker(const DatabaseConf& conf, ngx_cycle_t* cycle);
  ~DatabaseWorker();

  bool start();

  // The process ends, whatever is still open: another worker may take the listener over.
  void exit() noexcept;

  // False while no listener follows the log: new requests are declined, streams wait, others get a 503. What happens
  // meanwhile, a revocation for example, is not known here.
  bool serving() const noexcept { return root_.connected.load(std::memory_order_acquire) != 0; }
  bool leaving() const noexcept { return leaving_; }

  const Ring& ring() const noexcept { return ring_; }
  std::uint64_t seen_id() const noexcept { return seen_id_; }
  std::uint64_t epoch() const noexcept { return epoch_; }
  BlockReader& reader() noexcept { return reader_; }
  Catchup& catchup() noexcept { return catchup_; }
  QueryPool& pool() noexcept { return pool_; }
  Channels& channels() noexcept { return channels_; }
  WaitIds& wait_ids() noexcept { return wait_ids_; }
  SubscribersByUser& users() noexcept { return users_; }
  Reports& reports() noexcept { return reports_; }
  PresenceStates& presence_states() noexcept { return presence_states_; }
  // Null when connections do not count as presence.
  ConnectionTracker* connection_tracker() noexcept { return conf_.presence != 0 ? &connection_tracker_ : nullptr; }
  std::uint64_t self() const noexcept { return self_; }

  // All subscribers, for heartbeats and the end; `later` is a turn in the next slice.
  void add(Subscriber& subscriber);
  void remove(Subscriber& subscriber) noexcept;
  void serve_later(Subscriber& subscriber) noexcept;
  // Both call its resume() later: when Catchup has a place, or (`pause`) within a second, when the log may answer
  // otherwise.
  void wait_for_place(Subscriber& subscriber) noexcept { enqueue(subscriber, waiting_); }
  void pause(Subscriber& subscriber) noexcept { enqueue(subscriber, paused_); }

  // The answer to a user with a token of that time, if it was revoked or nobody can tell now; see RevocationCheck.
  std::optional<Error> refusal(std::string_view user, std::int64_t issued_us, unsigned retry_after) const;

  // Reads what is new in the ring, so that seen_id() is as fresh as it gets.
  void look();  // what it has no memory for now is there at the next look
  // The block that a heartbeat sends to a stream with this cursor; `moved`: the client has not been told the cursor yet.
  BlockRef heartbeat_block(std::uint64_t cursor, bool moved);

 private:
  static void on_wake(ngx_event_t* event);
  static void on_slice(ngx_event_t* event);
  static void on_second(ngx_event_t* event);
  static void on_leave(ngx_event_t* event);

  template <typename Visit>
  void each_subscriber(Visit&& visit);
  bool attach() noexcept;
  bool watch_wake_fd();
  void wake_all() noexcept;
  void leave_soon() noexcept;
  // Every waiting long poll is answered, every stream ends, connections close. Once, when the worker is told to leave.
  void shut_down() noexcept;
  void new_epoch(const Ring::Snapshot& now) noexcept;
  void look_at_ring();
  void overtaken() noexcept;
  bool obey(std::uint64_t pos, std::uint64_t id);
  void missed_control() noexcept;
  void mark(Channel& channel, std::uint64_t id, std::uint64_t pos) noexcept;
  void mark_all() noexcept;
  void queue(Channel& channel) noexcept;
  void slice() noexcept;
  bool serve_channels(int& budget) noexcept;
  bool serve_channel(Channel& channel, int& budget) noexcept;
  void serve_late(int budget) noexcept;
  void enqueue(Subscriber& subscriber, ngx_queue_t& queue) noexcept;
  void resume_all() noexcept;
  bool may_resume() const noexcept { return resuming_ && !ngx_queue_empty(&waiting_) && catchup_.has_place(); }
  void resume_waiting(int budget) noexcept;
  void place_is_free(bool page) noexcept;
  void schedule() noexcept;
  void each_second();

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  SharedRoot& root_;
  Ring ring_;
  WaitIds wait_ids_;
  SharedRevocations revocations_;
  const std::uint64_t self_;
  QueryPool pool_;
  Listener listener_;
  Channels channels_;
  SubscribersByUser users_;
  Reports reports_;
  PresenceStates presence_states_;
  ConnectionTracker connection_tracker_;
  Ticker ticker_;
  BlockReader reader_;
  Catchup catchup_;
  ngx_connection_t* wake_ = nullptr;
  ngx_event_t slice_event_{};
  ngx_event_t second_{};
  ngx_event_t leave_{};
  std::vector<Subscriber*> subscribers_;
  // A subscriber is in one of these at most.
  ngx_queue_t later_;
  ngx_queue_t waiting_;             // for a place in catchup_
  ngx_queue_t paused_;              // until the next second
  Channel* queue_first_ = nullptr;  // those whose round is to come
  Channel* queue_last_ = nullptr;
  std::uint64_t pos_ = 0;      // how far the ring has been read
  std::uint64_t seen_id_ = 0;  // the newest id up to there
  std::uint64_t epoch_ = 0;
  std::uint64_t control_hash_ = 0;  // of kControlChannel
  std::uint64_t seen_control_ = 0;  // the newest event on kControlChannel that was obeyed
  std::uint64_t seen_loads_ = 0;    // of revocations_
  bool in_slice_ = false;
  bool was_serving_ = false;
  bool resuming_ = false;  // those of waiting_ may ask: the log can be asked, as far as is known
  bool leaving_ = false;
  std::uint64_t heartbeat_cursor_ = 0;
  BlockRef heartbeat_moved_;
  BlockRef heartbeat_plain_;
};

}  // namespace pgevents::nginx
