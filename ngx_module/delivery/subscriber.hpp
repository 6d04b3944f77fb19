// A waiting request: an event stream or a long poll, with its channels and its cursor. Ends with the request, or, where
// `pgevents_release_request` lets an event stream go on without one, with the connection.
#pragma once

#include "ngx_module/nginx.hpp"

#include <memory>
#include <string>
#include <vector>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/delivery/block_reader.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/stream_writer.hpp"
#include "ngx_module/delivery/subscribers_by_user.hpp"
#include "ngx_module/presence/contacts.hpp"

namespace pgevents::nginx {

class DatabaseWorker;
class Page;

// Places in DatabaseWorker's lists: of all subscribers, and of those that want another turn, now or when the log can be asked.
// Plain, so that offsetof is defined for it.
struct SubscriberLinks {
  std::size_t all_index;
  ngx_queue_t later_link;
  bool later;
};

// Why a subscriber is ended before it has got what it came for.
enum class Ending {
  kLeaving,   // the worker leaves
  kSentAway,  // it shall come back, and show who it is
  kExpired,   // its permission is over
  kRevoked,   // likewise, before its time
};

class Subscriber : public SubscriberLinks {
 public:
  // Null when memory is refused.
  static Subscriber* make(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf,
                          const Subscription& wanted);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Called once by the handler, which then returns NGX_DONE: the request is answered now or later.
  void start(const Subscription& wanted) noexcept;

  // Each of the following may end the request and with it this object; without memory it does: the client has its cursor.

  // Serves what is new, as far as the client takes it.
  void pull() noexcept;
  // Has the processor fetch what pull() will look at, step by step: this object, what it points to, and what that does.
  [[gnu::always_inline]] void fetch_ahead() const noexcept {
    for (std::size_t at = 0; at < kFetchedBytes; at += kCacheLine) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + at);
    }
  }
  [[gnu::always_inline]] void fetch_connection_ahead() const noexcept {
    __builtin_prefetch(channels_.data());
    __builtin_prefetch(c_);
    __builtin_prefetch(reinterpret_cast<const char*>(c_) + kCacheLine);
  }
  [[gnu::always_inline]] void fetch_log_ahead() const noexcept { __builtin_prefetch(c_->log); }
  // Answers or ends it now; it may come back with the cursor that it gets.
  void end(Ending ending) noexcept;
  // The log was found restored to an earlier state: whatever the cursor says, the client must be told.
  void forget_position() noexcept;
  // Once a second: a heartbeat when it is due. `now` in milliseconds.
  void tick(ngx_msec_t now) noexcept;
  // The log can be asked again, as far as is known.
  void resume() noexcept;

  // For Catchup.
  const std::vector<Membership>& channels() const noexcept { return channels_; }
  void waits_for_page(std::string key) noexcept { page_key_.swap(key); }
  void page_arrived(Page& page) noexcept;
  void page_failed() noexcept;

  // Null for who is nobody in particular and may stay.
  const SubscriberIdentity* identity() const noexcept { return identity_.get(); }

  // For Channels: the index of the membership changed.
  void moved(const Channel& channel, std::size_t index) noexcept;

 private:
  enum class Mode : std::uint8_t { kStream, kLongPoll, kPoll };
  // A cursor that no log reaches: the database answers it with a reset. JavaScript's greatest safe integer.
  static constexpr std::uint64_t kFarAhead = 9007199254740991;
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::size_t kFetchedBytes = 320;  // as far as writer_

  Subscriber(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf, const Subscription& wanted);

  static void on_read(ngx_http_request_t* r);
  static void on_write(ngx_http_request_t* r);
  static void on_detached_read(ngx_event_t* rev);
  static void on_detached_write(ngx_event_t* wev);
  static void on_turn(ngx_event_t* event);

  template <typename Body>
  void attempt(Body&& body) noexcept;
  void begin(const Subscription& wanted);
  void join(const Subscription& wanted);
  void introduce(const Session& session);
  void count_as_contact();
  void take_wait_id(const Subscription& wanted);
  void locate();
  void ask_log(const Cursor& cursor);
  bool open_stream(std::uint64_t cursor);
  void hold();
  void open_waiting();
  void fix_start();
  void go_on_if_allowed();
  void own(ngx_pool_cleanup_t* cleanup) noexcept;
  void release_request() noexcept;
  void write_on();
  void go_on();
  void take(Page& page);
  void heartbeat();
  void nothing_more();
  bool deliver(const BlockRef& block);
  void answer(const BlockRef& array, PollKind kind, bool more);
  void refuse(const Error& error);
  bool after_send(StreamWriter::Sent sent);
  void advance() noexcept;
  bool settle_cursor() noexcept;
  void end_now(Ending ending);
  void end_stream_for(Ending ending, bool settled);
  std::string last_words(Ending ending, bool settled) const;
  void end_stream();
  ngx_msec_t linger() const noexcept;
  void leave() noexcept;
  void finish(ngx_int_t rc) noexcept;
  void give_up() noexcept;

  ngx_log_t* log() const noexcept { return c_->log; }
  bool holds() const noexcept { return mode_ == Mode::kLongPoll && poll_kind_ == PollKind::kWaited; }
  bool expired() const noexcept;
  void set_deadline() noexcept;
  void time_is_up();
  unsigned poll_interval() const noexcept { return static_cast<unsigned>(conf_.poll_interval); }

  // Each delivery looks at these, and with thousands of subscribers finds none of them in the processor's cache: so they are together.
  DatabaseWorker& database_;
  const LocConf& conf_;
  std::vector<Membership> channels_;
  std::unique_ptr<TypeFilter> filter_;
  std::unique_ptr<Cursor> located_by_;  // a cursor that is no id yet
  std::string page_key_;                // of the catch-up query waited for; empty: none
  std::uint64_t cursor_ = 0;
  RingPosition position_;
  std::uint64_t checked_epoch_ = 0;  // the ring epoch in which the log confirmed the cursor
  ngx_msec_t sent_at_ = 0;
  Mode mode_;
  PollKind poll_kind_ = PollKind::kWaited;
  Format format_;
  bool header_sent_ = false;
  bool opened_ = false;       // stream: the client has been told where it begins, as the log has it
  bool stalled_ = false;      // the log could not be asked; resume() goes on
  bool forgotten_ = false;    // the log was found restored: the cursor is void
  bool served_ = false;       // something was answered: the request waits, it is no new one
  bool log_goes_on_ = false;  // behind the last page that was asked for
  bool release_tried_ = false;
  bool running_ = false;  // start() has returned: events drive the request from here on
  bool ended_ = false;    // left everything; only nginx still holds the request
  bool has_wait_slot_ = false;
  ngx_connection_t* c_;
  StreamWriter writer_;

  ngx_http_request_t* r_;                // null: it goes on without
  ngx_pool_cleanup_t* owner_ = nullptr;  // deletes this, with the request or with the connection
  std::unique_ptr<SubscriberIdentity> identity_;
  Contacts::Contact* contact_ = nullptr;  // null: nobody in particular, or presence is off
  std::uint64_t told_cursor_ = 0;         // the one that the client knows
  std::uint64_t asked_epoch_ = 0;         // that in which the log was asked last
  std::uint64_t asked_floor_ = 0;         // the ring's floor at that time
  bool* gone_ = nullptr;                  // set by the destructor while start() runs
  ngx_msec_t hold_until_ = 0;             // long poll: when it is answered, whatever there is
  ngx_event_t turn_{};                    // as a timer: when it ends; posted: to give up the request
  std::uint32_t wait_slot_ = 0;
  int empty_pages_ = 0;  // of the log in which the filter left nothing
};

}  // namespace pgevents::nginx
