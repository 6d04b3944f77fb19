// Writes an event stream's response body. Holds at most one block in flight; until that is sent the subscriber is
// blocked, and costs only its cursor.
#pragma once

#include "ngx_module/delivery/block.hpp"
#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

class StreamWriter {
 public:
  enum class Sent { kAll, kBlocked, kFailed };

  explicit StreamWriter(ngx_http_request_t* r) noexcept;
  ~StreamWriter() { forget_subrequests(); }
  StreamWriter(const StreamWriter&) = delete;
  StreamWriter& operator=(const StreamWriter&) = delete;

  // Blocks are frames of a WebSocket, which are no body: body filters do not see them, as when nginx is the proxy of
  // one. Only the header goes through filters.
  void pass_body_filters() noexcept { past_filters_ = true; }
  // Sends a block, after the header was sent. Only while not blocked().
  Sent send(const BlockRef& block);
  // Continues after a write event.
  Sent resume();
  bool blocked() const noexcept { return held_ != nullptr; }

  // It writes to the socket itself, and no longer needs the request.
  bool direct() const noexcept { return direct_; }
  void leave_request() noexcept;
  // Sends the end of the body, if the client takes it at once. Only while direct() and not blocked().
  void end() noexcept;

 private:
  Sent send_rest() noexcept;
  Sent send_to_filters(std::string_view payload);
  Sent send_filtered(ngx_chain_t* chain);
  Sent after_filter(ngx_int_t rc);
  bool post_subrequests() noexcept;
  void forget_subrequests() noexcept;
  bool filters_need_memory() const noexcept;
  bool filters_may_change() const noexcept;
  bool may_go_direct() const noexcept;
  void decide() noexcept;
  Sent wait_writable();
  Sent all_sent() noexcept;

  ngx_connection_t* c_;
  BlockRef held_;          // keeps the bytes in flight alive
  std::string_view rest_;  // direct: the part of held_ that is not sent yet
  bool direct_ = false;    // straight to the socket, past nginx's body filters
  bool chunked_ = false;   // direct: in chunked coding
  bool decided_ = false;
  bool past_filters_ = false;
  ngx_http_request_t* r_;  // null after leave_request()
  ngx_msec_t send_timeout_;
  ngx_buf_t* buf_ = nullptr;            // the buffer that the filters get
  ngx_event_t* subrequests_ = nullptr;  // runs the subrequests of a filter; in the request's pool
};

}  // namespace pgevents::nginx
