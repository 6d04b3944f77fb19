// Where a subscriber's bytes leave: an event stream's response body. Holds at most one block in flight; while that is not gone the subscriber is
// blocked and costs nothing but its cursor.
#pragma once

#include "block.hpp"
#include "nginx.hpp"

namespace pgevents::nginx {

class Outlet {
 public:
  enum class Sent { kAll, kBlocked, kFailed };

  explicit Outlet(ngx_http_request_t* r) noexcept : r_(r) {}
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // Sends a block behind the header. Only while not blocked().
  Sent send(const BlockRef& block);
  // Goes on after a write event.
  Sent resume();
  bool blocked() const noexcept { return held_ != nullptr; }

 private:
  Sent send_direct();
  Sent send_filtered(ngx_chain_t* chain);
  Sent after_filter(ngx_int_t rc);
  bool may_go_direct() const noexcept;
  Sent wait_writable();
  Sent all_sent() noexcept;

  ngx_http_request_t* r_;
  BlockRef held_;          // keeps the bytes in flight alive
  std::string_view rest_;  // direct: what is still to be sent of held_
  ngx_buf_t buf_{};
  bool direct_ = false;  // straight to the socket, past nginx's body filters
  bool decided_ = false;
};

}  // namespace pgevents::nginx
