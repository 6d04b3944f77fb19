// How blocks reach a waiting client: the stream's header and opening, blocks, heartbeats, and the connection's events;
// see subscriber.hpp.
#include "ngx_module/delivery/subscriber.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/delivery/web_socket.hpp"
#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

Subscriber* subscriber_of(ngx_http_request_t* r) {
  return static_cast<Subscriber*>(ngx_http_get_module_ctx(r, ngx_http_pgevents_module));
}

}  // namespace

// Once. False when the request is over.
bool Subscriber::send_header() {
  if (opening_ != Opening::kNone) {
    return true;
  }
  opening_ = Opening::kHeader;
  const ngx_int_t rc = is_web_socket() ? send_web_socket_header(r_) : send_stream_header(r_);
  if (rc == NGX_OK) {
    return true;
  }
  finish(broken(), NGX_ERROR);
  return false;
}

// Announces the cursor at which the stream begins. Once. False as deliver().
bool Subscriber::open_stream() {
  if (opening_ == Opening::kAnnounced) {
    return true;
  }
  if (!send_header()) {
    return false;
  }
  opening_ = Opening::kAnnounced;
  told_cursor_ = cursor_;
  if (is_web_socket()) {
    return deliver(web_socket_opening(std::to_string(cursor_)));
  }
  const bool busy = poll_kind_ == PollKind::kWaitIdBusy;
  const ngx_msec_t retry = busy ? static_cast<ngx_msec_t>(conf_.poll_interval) * 1000 : conf_.retry;
  return deliver(text_block(stream_opening(static_cast<unsigned>(retry), cursor_)));
}

// False when nothing more can be sent now: the client must read first, or the request is over.
bool Subscriber::deliver(const BlockRef& block) {
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: block sent, bytes: %uz, cursor: %uL", block->payload().size(),
                 cursor_);
  sent_at_ = ngx_current_msec;
  events_sent_ += block->events();
  count(*block);
  served_ = true;
  return after_send(writer_.send(block));
}

// The lag is that of the block's newest event. One from before the subscriber came says nothing about its way.
void Subscriber::count(const Block& block) noexcept {
  context_.metrics.add_many(block.events(), Metric::kDeliveries);
  context_.metrics.add_many(block.payload().size(), Metric::kSentBytes);
  if (block.newest_us() > since_us_) {
    context_.metrics.observe(context_.clock.now_us() - block.newest_us(), Metric::kDeliveryLag, LagTo::kSocket);
  }
}

bool Subscriber::after_send(StreamWriter::Sent sent) {
  if (sent == StreamWriter::Sent::kAll) {
    if (conf_.release_request != 0 && !std::exchange(release_tried_, true)) {
      context_.releases.add(*this);
    }
    return true;
  }
  if (sent == StreamWriter::Sent::kFailed) {
    finish(broken(), NGX_ERROR);
    return false;
  }
  ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: blocked, the client must read first");
  return false;
}

void Subscriber::tick(ngx_msec_t now) noexcept {
  if (mode_ != Mode::kStream || !may_send()) {
    return;
  }
  if (opening_ == Opening::kNone) {
    if (state_ == State::kHeld) {
      attempt([this] { open_held(); });  // it has waited for a place long enough
    }
  } else if (is_web_socket()) {
    attempt([this, now] { web_socket_->tick(now); });
  } else if (now - sent_at_ >= conf_.heartbeat) {
    attempt([this] { heartbeat(); });
  }
}

void Subscriber::heartbeat() {
  advance();
  const bool moved = state_ == State::kLive && opening_ == Opening::kAnnounced && cursor_ != told_cursor_;
  const BlockRef block = context_.heartbeats.block(cursor_, moved);
  told_cursor_ = moved ? cursor_ : told_cursor_;
  if (deliver(block)) {
    go_on();
  }
}

// With nothing new in its channels the cursor moves to the newest event that the worker has seen, so that the client
// reconnects with a recent cursor.
void Subscriber::advance() noexcept {
  if (!may_go_on() || cursor_void_) {
    return;
  }
  for (const Membership& membership : memberships) {
    if (std::max(cursor_, membership.after) < membership.channel->last_id) {
      return;
    }
  }
  cursor_ = std::max(cursor_, context_.view.seen_id);
}

// A reset HTTP/2 stream may linger in nginx with frames still queued, so it is finished at once.
void Subscriber::on_read(ngx_http_request_t* r) {
  if (r->stream != nullptr && r->connection->error) {
    return subscriber_of(r)->finish(Ending::kClientLeft, NGX_HTTP_CLIENT_CLOSED_REQUEST);
  }
  Subscriber* const self = subscriber_of(r);
  if (self->is_web_socket()) {
    return self->read();
  }
  watch_client(r);
}

void Subscriber::on_write(ngx_http_request_t* r) {
  subscriber_of(r)->write_on();
}

void Subscriber::write_on() {
  if (c_->write->timedout) {
    c_->timedout = 1;
    return finish(Ending::kClientTooSlow, NGX_HTTP_REQUEST_TIME_OUT);
  }
  if (state_ == State::kEnded || !writer_.blocked()) {
    return;
  }
  attempt([this] {
    if (after_send(writer_.resume())) {
      ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: the client reads again");
      if (!is_web_socket() || web_socket_->sent_all()) {
        go_on();
      }
    }
  });
}

}  // namespace pgevents::nginx
