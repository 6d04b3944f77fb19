// One libpq connection in nginx's event loop. Never blocks: connecting, sending and reading all go through the worker's
// epoll. Owned by the listener (one for each instance) and by the query pool (a few for each worker).
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "ngx_module/postgres/server_addresses.hpp"
#include "postgres/notices.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

using postgres::Statement;

class PgConnection final : private postgres::NoticeLog, private ServerAddresses::Waiter {
 public:
  // Valid during the call.
  struct Notification {
    std::string_view channel;
    std::string_view payload;
    int pid;  // of the session that has sent it
  };

  // Receives what happens on the connection. Every call may close() the connection or send() the next statement. What a
  // call throws, for want of memory, ends the connection: how much of its work was done is unknown.
  class Owner {
   public:
    virtual void pg_ready() = 0;                           // connected, or the statement's last result was delivered
    virtual void pg_result(const PGresult* result) = 0;    // one result (row by row: one row, or the end)
    virtual void pg_notified(const Notification&) {}       // a NOTIFY arrived; others may follow at once
    virtual void pg_all_notified() {}                      // none follows for now
    virtual void pg_failed(const char* why) noexcept = 0;  // the connection is closed
   protected:
    ~Owner() = default;
  };

  PgConnection(Owner& owner, ngx_log_t* log) : owner_(owner), log_(log) {}
  ~PgConnection() { close(); }
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Starts connecting to `servers`, which outlives the connection: to one place after the other, each within its own
  // time, until one accepts. The owner gets pg_ready() or pg_failed(), later or at once. `timeout` limits each
  // statement.
  void open(ServerAddresses& servers, ngx_msec_t timeout) noexcept;
  // The owner can use the session. Until then every failure counts against the server: the next attempt tries others
  // first.
  void accept() noexcept;
  // Each sends one statement on an idle connection; pg_result() and then pg_ready() follow, or pg_failed().
  void send(const Statement& statement) noexcept;
  void prepare(const postgres::SqlText& sql) noexcept;
  // A prepared one, whose rows are delivered as they arrive (PostgreSQL manual, "Retrieving Query Results Row-by-Row").
  void send_prepared_by_row(const Statement& statement) noexcept;
  void close() noexcept;
  // Closes the connection and calls pg_failed().
  void fail(const char* why) noexcept;

  bool closed() const noexcept { return state_ == State::kClosed; }
  // Process id of the session, as the server reported it when the connection was made. A pooler in between reports
  // another one.
  int server_pid() const noexcept { return PQbackendPID(pg_); }
  const char* database() const noexcept { return PQdb(pg_); }  // its name on the server
  bool idle() const noexcept { return state_ == State::kIdle; }

 private:
  using Failure = postgres::PlaceMemory::Failure;
  enum class State { kClosed, kLookingUp, kConnecting, kSettingUp, kIdle, kBusy };

  void notice(const char* line) noexcept override;
  void addresses_found(bool any) noexcept override;

  static void on_read(ngx_event_t* event);
  static void on_write(ngx_event_t* event);
  static void on_timeout(ngx_event_t* event);

  template <typename Body>
  void guard(Body&& body) noexcept;
  void connect();
  bool connect_to_place();
  void give_up_place(const char* why, Failure failure);
  void drop() noexcept;
  void sent(bool accepted);
  void continue_connecting();
  void set_up();
  void take_settings();
  void watch(bool want_write);
  bool register_event(ngx_event_t* event, ngx_int_t which, bool wanted);
  void detach() noexcept;
  bool attach();
  void receive();
  void deliver_results();
  bool deliver_notifications();
  void flush();
  void arm_timer();
  void timed_out();
  void fail_by_libpq();
  void lost(const char* why) noexcept;

  Owner& owner_;
  ngx_log_t* log_;
  ServerAddresses* servers_ = nullptr;  // of the last open()
  postgres::Attempt attempt_;           // the last place is that of the connection
  PGconn* pg_ = nullptr;
  ngx_connection_t* connection_ = nullptr;
  ngx_event_t timer_{};
  ngx_msec_t timeout_ = 0;
  State state_ = State::kClosed;
  char fatal_[256] = "";  // why the server ended the session, if it has reported that
  bool accepted_ = false;
  bool reports_end_ = false;      // the server has said why it ends the session
  std::uint64_t generation_ = 0;  // changes with every open() and close(), which a callback may call, and every place
};

}  // namespace pgevents::nginx
