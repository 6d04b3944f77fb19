// One libpq connection in nginx's event loop. Never blocks: connecting, sending and reading all go through the worker's epoll.
// Owned by the listener (one for each instance) and by the query pool (a few for each worker).
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents::nginx {

// A statement and its parameters in text form; nullopt is NULL.
struct Statement {
  const char* sql = nullptr;  // or the name of one that this connection has prepared
  std::vector<std::optional<std::string>> params;
  bool prepared = false;
};

class PgConnection {
 public:
  // Told what happens. Every call may close() the connection or send() the next statement. What one of them throws, for want of
  // memory, ends the connection: nobody knows what was left undone.
  class Owner {
   public:
    virtual void pg_ready() = 0;                           // connected, or the statement's last result was delivered
    virtual void pg_result(const PGresult* result) = 0;    // one result (in single-row mode: one row, or the end)
    virtual void pg_notified(std::string_view) {}          // a NOTIFY of this channel, or several in a row, arrived
    virtual void pg_failed(const char* why) noexcept = 0;  // the connection is closed
   protected:
    ~Owner() = default;
  };

  PgConnection(Owner& owner, ngx_log_t* log) : owner_(owner), log_(log) {}
  ~PgConnection() { close(); }
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Starts connecting. Result: pg_ready() or pg_failed(), later or at once. `timeout` also limits each statement.
  void open(const char* const* keywords, const char* const* values, ngx_msec_t timeout) noexcept;
  // Sends a statement on an idle connection; `single_row` delivers each row as it arrives.
  void send(const Statement& statement, bool single_row) noexcept;
  // The same with a statement that is only to be kept, under this name, for as long as the connection lives.
  void prepare(const char* name, const char* sql) noexcept;
  void close() noexcept;
  // Closes it, and tells the owner why.
  void fail(const char* why) noexcept;

  bool closed() const noexcept { return pg_ == nullptr; }
  // That of the session, as the server said it when the connection was made; a pooler in between says another one.
  int server_pid() const noexcept { return PQbackendPID(pg_); }
  bool idle() const noexcept { return state_ == State::kIdle; }

 private:
  enum class State { kClosed, kConnecting, kSettingUp, kIdle, kBusy };

  static void on_notice(void* self, const PGresult* notice);

  static void on_read(ngx_event_t* event);
  static void on_write(ngx_event_t* event);
  static void on_timeout(ngx_event_t* event);

  template <typename Body>
  void attempt(Body&& body) noexcept;
  void send_now(const Statement& statement, bool single_row);
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
  void fail_as_libpq_says() noexcept;

  Owner& owner_;
  ngx_log_t* log_;
  PGconn* pg_ = nullptr;
  ngx_connection_t* connection_ = nullptr;
  ngx_event_t timer_{};
  ngx_msec_t timeout_ = 0;
  State state_ = State::kClosed;
  std::uint64_t generation_ = 0;  // changes with every open and close: callbacks may do either
};

}  // namespace pgevents::nginx
