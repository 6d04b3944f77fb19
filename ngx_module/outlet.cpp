// Sending blocks; see outlet.hpp. The first block goes through nginx's filters, because the header may still wait there. Afterwards plain
// HTTP/1.x responses that no filter wants to see are written straight to the socket: one call, no copies.
#include "outlet.hpp"

namespace pgevents::nginx {

Outlet::Sent Outlet::send(const BlockRef& block) {
  held_ = block;
  if (direct_) {
    rest_ = r_->chunked ? block->chunk() : block->payload();
    return send_direct();
  }
  const std::string_view payload = block->payload();
  ngx_memzero(&buf_, sizeof(buf_));
  buf_.tag = reinterpret_cast<ngx_buf_tag_t>(&ngx_http_pgevents_module);
  buf_.pos = buf_.start = reinterpret_cast<u_char*>(const_cast<char*>(payload.data()));
  buf_.last = buf_.end = buf_.pos + payload.size();
  buf_.memory = 1;
  buf_.flush = 1;
  ngx_chain_t link{&buf_, nullptr};
  return send_filtered(&link);
}

Outlet::Sent Outlet::resume() {
  return direct_ && !rest_.empty() ? send_direct() : send_filtered(nullptr);
}

Outlet::Sent Outlet::send_direct() {
  ngx_connection_t* c = r_->connection;
  while (!rest_.empty()) {
    const ssize_t n = c->send(c, reinterpret_cast<u_char*>(const_cast<char*>(rest_.data())), rest_.size());
    if (n == NGX_AGAIN || n == 0) {
      return wait_writable();
    }
    if (n < 0) {
      c->error = 1;
      return Sent::kFailed;
    }
    rest_.remove_prefix(static_cast<std::size_t>(n));
  }
  return all_sent();
}

Outlet::Sent Outlet::send_filtered(ngx_chain_t* chain) {
  return after_filter(ngx_http_output_filter(r_, chain));
}

Outlet::Sent Outlet::after_filter(ngx_int_t rc) {
  if (rc == NGX_ERROR || r_->connection->error) {
    return Sent::kFailed;
  }
  if (r_->buffered || r_->connection->buffered) {
    return wait_writable();
  }
  if (!decided_) {
    decided_ = true;
    direct_ = may_go_direct();
  }
  return all_sent();
}

// A response that HTTP/2, compression or any other body filter has a hand in keeps going through the filters; so does a rate limit.
bool Outlet::may_go_direct() const noexcept {
  return r_->http_version <= NGX_HTTP_VERSION_11 && r_ == r_->main && r_->out == nullptr && r_->postponed == nullptr &&
         r_->headers_out.content_encoding == nullptr && !r_->filter_need_in_memory && !r_->filter_need_temporary &&
         !r_->main_filter_need_in_memory && r_->limit_rate == 0;
}

Outlet::Sent Outlet::wait_writable() {
  ngx_event_t* wev = r_->connection->write;
  auto* clcf = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r_, ngx_http_core_module));
  if (!wev->delayed) {
    ngx_add_timer(wev, clcf->send_timeout);
  }
  if (ngx_handle_write_event(wev, 0) != NGX_OK) {
    return Sent::kFailed;
  }
  return Sent::kBlocked;
}

Outlet::Sent Outlet::all_sent() noexcept {
  held_.reset();
  rest_ = {};
  ngx_event_t* wev = r_->connection->write;
  if (wev->timer_set && !wev->delayed) {
    ngx_del_timer(wev);
  }
  return Sent::kAll;
}

}  // namespace pgevents::nginx
