// Sends blocks; see stream_writer.hpp. The first block goes through nginx's filters, because the header may still wait
// there. Later blocks of plain HTTP/1.x responses that no filter changes are written straight to the socket: one call,
// no copies.
#include "ngx_module/delivery/stream_writer.hpp"

namespace pgevents::nginx {

StreamWriter::StreamWriter(ngx_http_request_t* r) noexcept
    : c_(r->connection),
      r_(r),
      send_timeout_(
          static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module))->send_timeout) {
}

// Most blocks go out whole, at once and past the filters: then none is held, and only the connection is touched.
StreamWriter::Sent StreamWriter::send(const BlockRef& block) {
  if (!direct_) {
    held_ = block;
    return send_to_filters(block->payload());
  }
  rest_ = chunked_ ? block->chunk() : block->payload();
  const Sent sent = send_rest();
  if (sent != Sent::kBlocked) {
    return sent;
  }
  held_ = block;
  return wait_writable();
}

StreamWriter::Sent StreamWriter::send_to_filters(std::string_view payload) {
  if (buf_ == nullptr && (buf_ = static_cast<ngx_buf_t*>(ngx_palloc(r_->pool, sizeof(ngx_buf_t)))) == nullptr) {
    return Sent::kFailed;
  }
  ngx_memzero(buf_, sizeof(*buf_));
  buf_->tag = reinterpret_cast<ngx_buf_tag_t>(&ngx_http_pgevents_module);
  buf_->pos = buf_->start = reinterpret_cast<u_char*>(const_cast<char*>(payload.data()));
  buf_->last = buf_->end = buf_->pos + payload.size();
  buf_->memory = 1;
  buf_->flush = 1;
  ngx_chain_t link{buf_, nullptr};
  return send_filtered(&link);
}

void StreamWriter::end() noexcept {
  constexpr std::string_view kLastChunk = "0\r\n\r\n";
  if (chunked_) {
    c_->send(c_, reinterpret_cast<u_char*>(const_cast<char*>(kLastChunk.data())), kLastChunk.size());
  }
}

StreamWriter::Sent StreamWriter::resume() {
  if (!direct_) {
    return send_filtered(nullptr);
  }
  const Sent sent = send_rest();
  if (sent == Sent::kBlocked) {
    return wait_writable();
  }
  return sent == Sent::kAll ? all_sent() : sent;
}

StreamWriter::Sent StreamWriter::send_rest() noexcept {
  while (!rest_.empty()) {
    const ssize_t n = c_->send(c_, reinterpret_cast<u_char*>(const_cast<char*>(rest_.data())), rest_.size());
    if (n == NGX_AGAIN || n == 0) {
      return Sent::kBlocked;
    }
    if (n < 0) {
      c_->error = 1;
      return Sent::kFailed;
    }
    rest_.remove_prefix(static_cast<std::size_t>(n));
  }
  return Sent::kAll;
}

StreamWriter::Sent StreamWriter::send_filtered(ngx_chain_t* chain) {
  return after_filter(past_filters_ ? ngx_http_write_filter(r_, chain) : ngx_http_output_filter(r_, chain));
}

StreamWriter::Sent StreamWriter::after_filter(ngx_int_t rc) {
  if (rc == NGX_ERROR || c_->error) {
    return Sent::kFailed;
  }
  if (r_->main->posted_requests != nullptr && !post_subrequests()) {
    return Sent::kFailed;
  }
  if (r_->postponed != nullptr) {
    return Sent::kBlocked;  // until nginx has run the subrequest and calls the write handler
  }
  if (r_->buffered || c_->buffered) {
    return wait_writable();
  }
  decide();
  return all_sent();
}

// Has nginx run the subrequest that a filter has begun, in an event of its own. nginx runs subrequests after an event
// of the connection, but this may be called from another event; and it must not run the subrequest itself, because that
// calls the subscriber when it ends. An event of the connection would go to the subrequest's handler first, and then
// run the subrequest a second time.
bool StreamWriter::post_subrequests() noexcept {
  if (subrequests_ == nullptr) {
    subrequests_ = static_cast<ngx_event_t*>(ngx_pcalloc(r_->pool, sizeof(ngx_event_t)));
    if (subrequests_ == nullptr) {
      return false;
    }
    subrequests_->data = c_;
    subrequests_->log = c_->log;
    subrequests_->handler = [](ngx_event_t* event) {
      ngx_http_run_posted_requests(static_cast<ngx_connection_t*>(event->data));
    };
  }
  ngx_post_event(subrequests_, &ngx_posted_events);
  return true;
}

void StreamWriter::forget_subrequests() noexcept {
  if (subrequests_ != nullptr && subrequests_->posted) {
    ngx_delete_posted_event(subrequests_);
  }
  subrequests_ = nullptr;
}

void StreamWriter::leave_request() noexcept {
  forget_subrequests();
  r_ = nullptr;
}

// Once, after the header was sent.
void StreamWriter::decide() noexcept {
  if (!std::exchange(decided_, true)) {
    direct_ = may_go_direct();
    chunked_ = r_->chunked;
  }
}

// Some filters, which change the encoding, ask for buffers in memory. With TLS nginx itself does.
bool StreamWriter::filters_need_memory() const noexcept {
#if (NGX_HTTP_SSL)
  if (c_->ssl != nullptr) {
    return false;
  }
#endif
  return r_->main_filter_need_in_memory;
}

bool StreamWriter::filters_may_change() const noexcept {
  return !past_filters_ && (r_->headers_out.content_encoding != nullptr || r_->filter_need_in_memory ||
                            r_->filter_need_temporary || filters_need_memory());
}

// Responses that HTTP/2, compression or another body filter changes, and those with a rate limit, stay on the filter
// path.
bool StreamWriter::may_go_direct() const noexcept {
  return r_->http_version <= NGX_HTTP_VERSION_11 && r_ == r_->main && r_->out == nullptr && r_->postponed == nullptr &&
         !filters_may_change() && r_->limit_rate == 0;
}

StreamWriter::Sent StreamWriter::wait_writable() {
  ngx_event_t* wev = c_->write;
  if (!wev->delayed) {
    ngx_add_timer(wev, send_timeout_);
  }
  if (ngx_handle_write_event(wev, 0) != NGX_OK) {
    return Sent::kFailed;
  }
  return Sent::kBlocked;
}

StreamWriter::Sent StreamWriter::all_sent() noexcept {
  held_.reset();
  rest_ = {};
  ngx_event_t* wev = c_->write;
  if (wev->timer_set && !wev->delayed) {
    ngx_del_timer(wev);
  }
  return Sent::kAll;
}

}  // namespace pgevents::nginx
