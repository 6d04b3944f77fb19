// A waiting request: an event stream, a WebSocket or a long poll, with its channels and its cursor. Made by the
// handler. Ends with the request, or, where `pgevents_release_request` lets an event stream continue without its
// request, with the connection.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/metrics/labels.hpp"
#include "core/metrics/reasons.hpp"
#include "core/request/admission.hpp"
#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/delivery/block_maker.hpp"
#include "ngx_module/delivery/catchup.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/registration.hpp"
#include "ngx_module/delivery/release_queue.hpp"
#include "ngx_module/delivery/stream_writer.hpp"
#include "ngx_module/delivery/subscriber_list.hpp"
#include "ngx_module/delivery/subscriber_state.hpp"
#include "ngx_module/delivery/turn_queues.hpp"
#include "ngx_module/http/kept_access.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

struct SubscriberContext;
class WebSocket;

class Subscriber final : public PageWaiter,
                         public TurnLink,
                         public ReleaseLink,
                         public ChannelMember,
                         public ListIndex {
 public:
  // Null when memory is refused.
  static Subscriber* make(ngx_http_request_t* r, const SubscriberContext& context, const LocConf& conf,
                          const Subscription& wanted);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Makes a WebSocket of it, before start().
  void speak(const RequestContext& requests, KeptAccess&& access, const WebSocketOpening& opening);

  // Called once by the handler, which then returns NGX_DONE: the request is answered now or later. A request that is to
  // be rejected comes here only while the worker leaves, and is answered with its cursor.
  void start(const Subscription& wanted, Admission admission) noexcept;

  // Each of the following may end the request and with it this object. If memory is refused it does: the client has its
  // cursor.

  // Serves what is new, as far as the client takes it.
  void pull() noexcept;
  // Prefetch what pull() will look at, step by step: this object, what it points to, and what that points to.
  [[gnu::always_inline]] void fetch_ahead() const noexcept {
    for (std::size_t at = 0; at < kFetchedBytes; at += kCacheLine) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + at);
    }
  }
  [[gnu::always_inline]] void fetch_connection_ahead() const noexcept {
    __builtin_prefetch(memberships.data());
    __builtin_prefetch(c_);
    __builtin_prefetch(reinterpret_cast<const char*>(c_) + kCacheLine);
  }
  [[gnu::always_inline]] void fetch_log_ahead() const noexcept { __builtin_prefetch(c_->log); }
  // Ends it now. The client gets a cursor to reconnect with.
  void end(Ending ending) noexcept;
  // The log was restored to an earlier state: whatever the cursor is, the client must get a reset.
  void void_cursor() noexcept;
  // Once a second: sends a heartbeat when it is due. `now` in milliseconds.
  void tick(ngx_msec_t now) noexcept;
  // The log can be asked again, as far as is known.
  void resume() noexcept;
  // Continues without the request, if nothing else needs it.
  void release_request() noexcept;

  void page_arrived(Page& page) noexcept override;
  void page_failed() noexcept override;

 private:
  // The two other halves of a WebSocket's subscriber.
  friend class WebSocket;
  friend class ChannelJoin;

  // Only subscriber_web_socket.cpp knows the class.
  struct EndWebSocket {
    void operator()(WebSocket* socket) const noexcept;
  };

  using State = SubscriberState;
  enum class Mode : std::uint8_t { kStream, kLongPoll, kPoll };
  // What the client of a stream has got: nothing, the header, the opening with the cursor at which the stream begins in
  // the log.
  enum class Opening : std::uint8_t { kNone, kHeader, kAnnounced };
  // A cursor that no log reaches: the database answers it with a reset. JavaScript's greatest safe integer.
  static constexpr std::uint64_t kFarAhead = 9007199254740991;
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::size_t kFetchedBytes = 320;  // up to and including writer_

  Subscriber(ngx_http_request_t* r, const SubscriberContext& context, const LocConf& conf, const Subscription& wanted);

  static void on_read(ngx_http_request_t* r);
  static void on_write(ngx_http_request_t* r);
  static void on_detached_read(ngx_event_t* rev);
  static void on_detached_write(ngx_event_t* wev);
  static void on_deadline(ngx_event_t* event);
  static void on_request_end(void* data);

  // Runs `body`. If memory is refused the request ends, whatever is half done.
  template <typename Body>
  void attempt(Body&& body) noexcept {
    if (!guarded(log(), body)) {
      give_up();
    }
  }

  // --- states (subscriber.cpp) ---
  void enter(State next) noexcept;
  // More may be sent to the client.
  bool may_send() const noexcept { return state_ != State::kEnded && !writer_.blocked(); }
  // More may be read for it from the ring or the log.
  bool may_go_on() const noexcept { return state_ == State::kLive && may_send(); }
  void begin(const Subscription& wanted, Admission admission);
  void join(const Subscription& wanted);
  bool locate();
  void ask_log(const Cursor& cursor);
  void go_live();
  void go_on();
  bool ring_covers_cursor() const noexcept;
  bool serve(const NextBlock& next);
  void nothing_more();
  void take(Page& page);
  bool is_stale_page() const noexcept;
  void locate_by(const Page& page) noexcept;
  void go_on_without_log();

  // --- streams (subscriber_stream.cpp) ---
  bool send_header();
  bool open_stream();
  bool deliver(const BlockRef& block);
  void count(const Block& block) noexcept;
  bool after_send(StreamWriter::Sent sent);
  void write_on();
  void advance() noexcept;
  void heartbeat();

  // --- WebSockets (subscriber_web_socket.cpp) ---
  bool is_web_socket() const noexcept { return format_ >= Format::kWebSocket; }
  BlockRef web_socket_opening(std::string_view cursor);
  void web_socket_goes_on();
  void read();
  void beat();
  void renew_session(const Session& session);
  std::string last_frames(Ending ending, bool settled) const;
  void close_web_socket(Ending ending, std::string_view frames);

  // --- without the request (subscriber_detached.cpp) ---
  void own(ngx_pool_cleanup_t* cleanup) noexcept;

  // --- held (subscriber_held.cpp) ---
  void hold();
  void open_held();
  void fix_start();
  std::optional<Error> check_permission() const;
  void go_on_if_allowed();

  // --- the end (subscriber_end.cpp) ---
  Ending answered() const noexcept;
  Ending broken() const noexcept;
  void answer(Ending ending, const BlockRef& array, PollKind kind, bool more);
  void reject(Ending ending, const Error& error);
  bool settle_cursor() noexcept;
  void end_now(Ending ending);
  void end_stream_for(Ending ending, bool settled);
  std::string last_words(Ending ending, bool settled) const;
  std::string last_cursor(bool settled) const;
  void end_stream(Ending ending);
  void set_deadline() noexcept;
  bool expired() const noexcept;
  bool has_time_left() const noexcept;
  void time_is_up();
  ngx_msec_t linger() const noexcept;
  Cursor cursor() const noexcept;
  void record(bool released) noexcept;
  void leave(Ending ending) noexcept;
  void finish(Ending ending, ngx_int_t rc) noexcept;
  void give_up() noexcept;

  ngx_log_t* log() const noexcept { return c_->log; }
  bool is_long_poll() const noexcept { return mode_ == Mode::kLongPoll && poll_kind_ == PollKind::kWaited; }
  // As the metrics show it; polls do not wait, and are not shown.
  SubscriberKind kind() const noexcept {
    return mode_ != Mode::kStream ? SubscriberKind::kLongPoll
           : is_web_socket()      ? SubscriberKind::kWebSocket
           : r_ == nullptr        ? SubscriberKind::kReleased
                                  : SubscriberKind::kStream;
  }
  unsigned poll_interval() const noexcept { return static_cast<unsigned>(conf_.poll_interval); }

  // Each delivery looks at these, and with thousands of subscribers finds none of them in the processor's cache: so
  // they lie together.
  const SubscriberContext& context_;
  const LocConf& conf_;
  std::unique_ptr<TypeFilter> filter_;
  std::unique_ptr<Cursor> start_;  // where it begins; null once cursor_ stands for it
  std::uint64_t cursor_ = 0;
  RingPosition position_;
  std::uint64_t checked_epoch_ = 0;  // the ring epoch in which the log confirmed the cursor
  ngx_msec_t sent_at_ = 0;
  const std::int64_t since_us_;  // when it came, since the Unix epoch
  std::uint64_t events_sent_ = 0;
  PollKind poll_kind_ = PollKind::kWaited;
  Mode mode_;
  State state_ = State::kNew;
  Opening opening_ = Opening::kNone;
  Ending ending_ = Ending::kCount;  // kCount: it has not ended
  Format format_;
  bool cursor_void_ = false;      // the log was restored to an earlier state
  bool served_ = false;           // it got something: the request waits, it is not a new one
  bool log_goes_on_ = false;      // behind the last page
  bool release_tried_ = false;    // release_request() was, or will be, called
  bool socket_waits_ = false;     // web_socket_ has something to do when everything is sent
  std::uint8_t empty_pages_ = 0;  // of the log, in which the filter let nothing pass
  ngx_connection_t* c_;
  StreamWriter writer_;

  ngx_http_request_t* r_;                // null: released
  ngx_pool_cleanup_t* owner_ = nullptr;  // deletes this, with the request or with the connection
  Registration registration_;
  std::unique_ptr<WebSocket, EndWebSocket> web_socket_;  // null: it is another form of subscriber
  std::uint64_t told_cursor_ = 0;                        // the cursor that the client knows
  // The ring's epoch, floor and newest id when the log was asked.
  std::uint64_t asked_epoch_ = 0;
  std::uint64_t asked_floor_ = 0;
  std::uint64_t asked_last_ = 0;
  bool* gone_ = nullptr;       // not null while start() runs; set to true by the destructor
  ngx_msec_t hold_until_ = 0;  // long poll: when it is answered, even with nothing
  ngx_event_t deadline_{};     // a timer: permission or time ends; or the wait for a close frame
};

}  // namespace pgevents::nginx
