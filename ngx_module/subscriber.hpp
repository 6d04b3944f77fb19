// A waiting request: an event stream or a long poll, with its channels and its cursor. Lives in the request's pool and ends with it.
#pragma once

#include "nginx.hpp"

#include <memory>
#include <string>
#include <vector>

#include "../core/request.hpp"
#include "channels.hpp"
#include "conf.hpp"
#include "feed.hpp"
#include "outlet.hpp"

namespace pgevents::nginx {

class Database;
class Page;

// Places in Database's lists: of all subscribers, and of those that want another turn. Plain, so that offsetof is defined for it.
struct SubscriberLinks {
  ngx_queue_t all_link;
  ngx_queue_t later_link;
  bool later;
};

class Subscriber : public SubscriberLinks {
 public:
  Subscriber(ngx_http_request_t* r, Database& database, const LocConf& conf, const Subscription& wanted);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Called once by the handler, which then returns NGX_DONE: the request is answered now or later.
  void start(const Subscription& wanted);

  // Serves what is new, as far as the client takes it. May end the request and with it this object.
  void pull();
  // The worker leaves: answer or end now.
  void close();
  // The log was found restored to an earlier state: whatever the cursor says, the client must be told.
  void forget_position() noexcept;
  // Once a second: a heartbeat when it is due, and another try where the log could not be asked. `now` in milliseconds.
  void tick(ngx_msec_t now, bool serving);

  // For Catchup.
  const std::vector<Membership>& channels() const noexcept { return channels_; }
  void waits_for_page(const std::string& key) { page_key_ = key; }
  void page_arrived(Page& page);
  void page_failed();

  // For Channels: the index of the membership changed.
  void moved(const Channel& channel, std::size_t index) noexcept;

 private:
  enum class Mode { kStream, kLongPoll, kPoll };

  static void on_read(ngx_http_request_t* r);
  static void on_write(ngx_http_request_t* r);
  static void on_deadline(ngx_event_t* event);

  void join(const Subscription& wanted);
  void take_wait_id(const std::string& wait_id);
  void locate();
  void ask_log(const Cursor& cursor);
  bool open_stream(std::uint64_t cursor);
  void nothing_more();
  bool deliver(const BlockRef& block);
  void answer(const BlockRef& array, PollKind kind, bool more);
  void refuse(const Error& error);
  bool after_send(Outlet::Sent sent);
  void advance() noexcept;
  void close_stream(bool located);
  void end_stream();
  void leave() noexcept;
  void finish(ngx_int_t rc);

  ngx_http_request_t* r_;
  Database& database_;
  const LocConf& conf_;
  Outlet outlet_;
  std::vector<Membership> channels_;
  std::unique_ptr<TypeFilter> filter_;
  std::string page_key_;  // of the catch-up query waited for; empty: none
  std::uint64_t cursor_ = 0;
  Place place_;
  std::uint64_t told_cursor_ = 0;       // the one that the client knows
  std::uint64_t checked_epoch_ = 0;     // the ring epoch in which the log confirmed the cursor
  std::uint64_t asked_epoch_ = 0;       // that in which the log was asked last
  std::uint64_t asked_floor_ = 0;       // the ring's floor at that time
  bool* gone_ = nullptr;                // set by the destructor while start() runs
  std::unique_ptr<Cursor> located_by_;  // a cursor that is no id yet
  ngx_msec_t sent_at_ = 0;
  ngx_msec_t hold_ = 0;  // long poll: how long
  ngx_event_t deadline_{};
  std::uint32_t wait_slot_ = 0;
  Mode mode_;
  PollKind poll_kind_ = PollKind::kWaited;
  Format format_;
  bool has_wait_slot_ = false;
  bool header_sent_ = false;
  bool stalled_ = false;    // the log could not be asked; retry() goes on
  bool forgotten_ = false;  // the log was found restored: the cursor is void
  bool served_ = false;     // something was answered: the request waits, it is no new one
  bool running_ = false;    // start() has returned: events drive the request from here on
  bool ended_ = false;      // left everything; only nginx still holds the request
};

}  // namespace pgevents::nginx
