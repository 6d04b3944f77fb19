// The frames of a WebSocket; see web_socket.hpp.
#include "ngx_module/delivery/web_socket.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "ngx_module/delivery/subscriber.hpp"
#include "ngx_module/delivery/subscriber_context.hpp"

namespace pgevents::nginx {
namespace {

using Found = web_socket::FrameReader::Found;
using web_socket::CloseCode;

// Read at a time; the buffer is one for all connections of the worker.
constexpr std::size_t kReadBytes = 16 * 1024;

// Reading pauses while so many requests of a connection wait.
constexpr std::size_t kMostRequests = 16;

// Read of one connection before others get their turn: a message of 2 MB takes milliseconds.
constexpr std::size_t kBytesPerTurn = 64 * 1024;

// Beside the event, a message has its channel, key and syntax, or a token.
constexpr std::size_t kMessageRoom = 16 * 1024;

// Only a client that may publish has anything to say that is larger than a call.
std::size_t longest_message(const LocConf& conf, bool publishes) noexcept {
  return std::max(publishes ? conf.max_event_size : 0, kMaxCallBytes) + kMessageRoom;
}

ngx_msec_t body_time(ngx_http_request_t* r) noexcept {
  return static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module))
      ->client_body_timeout;
}

}  // namespace

WebSocket::WebSocket(Subscriber& subscriber, const RequestContext& requests, KeptAccess&& access,
                     const WebSocketOpening& opening)
    : subscriber_(subscriber),
      requests_(requests),
      access_(std::move(access)),
      reader_(longest_message(subscriber.conf_, false)),
      beat_at_(ngx_current_msec),
      message_time_(body_time(subscriber.r_)),
      bare_(opening.bare) {
  access_.caller = opening.caller;
  access_.may_write = opening.may_write;
  limit_messages();
  pause(true);
}

WebSocket::~WebSocket() {
  if (gone_ != nullptr) {
    *gone_ = true;
  }
}

bool WebSocket::may_read() const noexcept {
  return !closing_ && subscriber_.opening_ != Subscriber::Opening::kNone && subscriber_.may_send() &&
         asked_.size() + in_turn_.size() < kMostRequests && asked_bytes_ < longest_message(subscriber_.conf_, true);
}

// A client that may not publish has no use for messages as large as an event: anyone may connect, and the worker would
// have to keep and read them.
void WebSocket::limit_messages() {
  const bool publishes = !bare() && access_.may_publish();
  reader_.set_max_message(longest_message(subscriber_.conf_, publishes));
}

// Has the event loop call read() again, not the caller: further down on the stack another connection may be read into
// the same buffer.
void WebSocket::read_later() noexcept {
  if (paused_ && may_read()) {
    ngx_post_event(subscriber_.c_->read, &ngx_posted_events);
  }
}

// The events of the next turn come after those of all connections that are ready now.
void WebSocket::read_next_turn() noexcept {
  ngx_post_event(subscriber_.c_->read, &ngx_posted_next_events);
}

// While reading is paused a client that has left is noticed all the same, if the system reports it.
void WebSocket::read() {
  bool gone = false;
  gone_ = &gone;
  std::string bytes;
  pause(false);
  for (std::size_t taken = 0; !gone && may_read(); taken += bytes.size()) {
    if (taken >= kBytesPerTurn) {
      read_next_turn();
      break;
    }
    bytes.swap(unread_);
    unread_.clear();
    if ((bytes.empty() && !receive(bytes)) || !take(bytes)) {
      break;
    }
  }
  if (!gone) {
    gone_ = nullptr;
    time_message();
    end_reading();
  }
}

// Two messages are never read without a moment between them in which none is begun: take() returns.
void WebSocket::time_message() noexcept {
  if (!reader_.within()) {
    message_at_ = 0;
  } else if (message_at_ == 0) {
    message_at_ = ngx_current_msec;
  }
}

void WebSocket::end_reading() {
  ngx_connection_t* const c = subscriber_.c_;
  if (closing_) {
    return drain();
  }
  if (subscriber_.state_ == SubscriberState::kEnded) {
    return;
  }
  pause(!may_read());
  if (c->close || c->error || c->read->error || (paused_ && c->read->pending_eof)) {
    subscriber_.finish(subscriber_.broken(), NGX_HTTP_CLIENT_CLOSED_REQUEST);
  } else if (paused_ && ngx_handle_read_event(c->read, 0) != NGX_OK) {
    subscriber_.finish(Ending::kError, NGX_ERROR);
  }
}

// False when there is nothing to read now, or the client has left: then the subscriber may be gone.
bool WebSocket::receive(std::string& bytes) {
  static u_char buffer[kReadBytes];
  ngx_http_request_t* const r = subscriber_.r_;
  ngx_connection_t* const c = subscriber_.c_;
  if (r != nullptr && r->header_in->pos < r->header_in->last) {  // came together with the handshake
    bytes.assign(reinterpret_cast<char*>(r->header_in->pos), r->header_in->last - r->header_in->pos);
    r->header_in->pos = r->header_in->last;
    return true;
  }
  const ssize_t n = c->close ? NGX_ERROR : c->recv(c, buffer, sizeof buffer);
  if (n > 0) {
    bytes.assign(reinterpret_cast<char*>(buffer), static_cast<std::size_t>(n));
    return true;
  }
  if (n != NGX_AGAIN) {
    subscriber_.finish(subscriber_.broken(), NGX_HTTP_CLIENT_CLOSED_REQUEST);
  } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
    subscriber_.finish(Ending::kError, NGX_ERROR);
  }
  return false;
}

// False when nothing more can be read in this turn. What is left then is kept.
bool WebSocket::take(std::string_view bytes) {
  bool* const gone = gone_;
  unanswered_ = false;
  const Found found = reader_.read(bytes);
  if (found == Found::kNothing) {
    return true;
  }
  handle(found);
  if (!*gone) {
    unread_ = bytes;
    if (may_read()) {
      read_next_turn();
    }
  }
  return false;
}

// Without the dialect a client has nothing to ask for.
void WebSocket::handle(Found found) {
  if (found == Found::kText && !bare()) {
    handle_message(reader_.payload());
  } else if (found == Found::kPing) {
    std::string pong;
    web_socket::append_frame(pong, web_socket::Opcode::kPong, reader_.payload());
    send(pong);
  } else if (found == Found::kClose) {
    obey_close();
  } else if (found == Found::kViolation) {
    broken_ = true;
    close(reader_.close_code(), {});
  }
}

// The answer to a close frame is one with the same code; then the server ends the connection (RFC 6455, section 5.5.1
// and 7.1.1).
void WebSocket::obey_close() {
  std::string frame;
  web_socket::append_close(frame, reader_.close_code(), {});
  if (send(frame)) {
    subscriber_.finish(Ending::kClientLeft, NGX_OK);
  }
}

// After the close frame: waits for the client's, or until it has left. Whatever else comes has no effect.
void WebSocket::drain() {
  std::string bytes;
  for (std::size_t taken = 0; true; taken += bytes.size()) {
    if (taken >= kBytesPerTurn) {
      return read_next_turn();
    }
    bytes.swap(unread_);
    unread_.clear();
    if (bytes.empty() && !receive(bytes)) {
      return;
    }
    std::string_view rest = bytes;
    for (Found found = Found::kText; !broken_ && found != Found::kNothing;) {
      found = reader_.read(rest);
      broken_ = found == Found::kViolation;
      if (found == Found::kClose) {
        return subscriber_.finish(Ending::kClientLeft, NGX_OK);
      }
    }
  }
}

// Sends frames, or keeps them until the client takes more. False when the client must read first, or is gone.
bool WebSocket::send(std::string_view frames) {
  if (!subscriber_.may_send()) {
    waiting_ += frames;
    return false;
  }
  return subscriber_.deliver(text_block(frames));
}

// The client has taken bytes, and so is alive.
bool WebSocket::sent_all() {
  unanswered_ = false;
  if (!waiting_.empty()) {
    const std::string frames = std::exchange(waiting_, {});
    if (!subscriber_.deliver(text_block(frames))) {
      return false;
    }
  }
  read_later();
  return true;
}

void WebSocket::close(CloseCode code, std::string_view reason) {
  std::string frame;
  web_socket::append_close(frame, code, reason);
  subscriber_.close_web_socket(Ending::kProtocolError, frame);
}

void WebSocket::linger() noexcept {
  closing_ = true;
  pause(true);
  ngx_post_event(subscriber_.c_->read, &ngx_posted_events);  // the client's may be here
}

void WebSocket::pause(bool paused) noexcept {
  paused_ = paused;
  subscriber_.socket_waits_ = paused || join_ != nullptr;
}

void WebSocket::go_on() {
  if (join_ != nullptr) {
    return join_->step();
  }
  read_later();
}

// On a slow link a ping waits behind what was sent before it. A client that goes on acknowledging that is alive.
void WebSocket::watch_queue() noexcept {
  int queued = 0;
  if (!unanswered_ || ioctl(subscriber_.c_->fd, SIOCOUTQ, &queued) != 0) {
    return;
  }
  if (queued > 0 && queued < queued_) {
    unanswered_ = false;
  }
  queued_ = queued;
}

void WebSocket::tick(ngx_msec_t now) {
  if (message_at_ != 0 && !paused_ && now - message_at_ >= message_time_) {
    return close(CloseCode::kPolicyViolation, "message timeout");
  }
  watch_queue();
  if (now - beat_at_ < subscriber_.conf_.heartbeat) {
    return;
  }
  beat_at_ = now;
  if (unanswered_ && !paused_) {
    ngx_log_error(NGX_LOG_INFO, subscriber_.log(), 0, "pgevents: the client has not answered a ping");
    return subscriber_.finish(Ending::kNoPong, NGX_ERROR);
  }
  unanswered_ = true;
  queued_ = -1;
  subscriber_.beat();
}

void WebSocket::leave() noexcept {
  join_.reset();
  asked_.clear();
  in_turn_.clear();
}

}  // namespace pgevents::nginx
