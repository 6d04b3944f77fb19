// A subscriber whose connection is a WebSocket: how it opens, what its heartbeats are, and how it ends; see
// subscriber.hpp and web_socket.hpp.
#include "ngx_module/delivery/subscriber.hpp"

#include <utility>

#include "core/web_socket/frame.hpp"
#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/delivery/web_socket.hpp"

namespace pgevents::nginx {
namespace {

// How long the client has time to answer a close frame, in milliseconds. Only then is it sure that it has received the
// frame: if the connection ended at once, with anything unread in it, the system would drop what is under way.
constexpr ngx_msec_t kCloseWait = 2'000;

}  // namespace

void Subscriber::speak(const RequestContext& requests, KeptAccess&& access, const WebSocketOpening& opening) {
  writer_.pass_body_filters();
  web_socket_.reset(new WebSocket(*this, requests, std::move(access), opening));
}

void Subscriber::EndWebSocket::operator()(WebSocket* socket) const noexcept {
  delete socket;
}

void Subscriber::web_socket_goes_on() {
  web_socket_->go_on();
}

// A ping carries the header to a client that gets no cursors.
BlockRef Subscriber::web_socket_opening(std::string_view cursor) {
  return web_socket_->bare() ? context_.heartbeats.ping() : text_block(web_socket::cursor_frame(cursor));
}

void Subscriber::read() {
  attempt([this] { web_socket_->read(); });
}

void Subscriber::beat() {
  advance();
  const bool has_cursor = state_ == State::kLive && opening_ == Opening::kAnnounced && !web_socket_->bare();
  if (deliver(has_cursor ? context_.heartbeats.ping_with(cursor_) : context_.heartbeats.ping())) {
    go_on();
  }
}

void Subscriber::renew_session(const Session& session) {
  registration_.renew(context_, *this, session);
  stop_timer(deadline_);
  set_deadline();
}

std::string Subscriber::last_frames(Ending ending, bool settled) const {
  const bool over = ending == Ending::kExpired || ending == Ending::kRevoked;
  const std::string_view reason = !over ? "closing" : ending == Ending::kRevoked ? "revoked" : "expired";
  const std::string cursor = last_cursor(settled);
  std::string frames;
  if (!web_socket_->bare() && over) {
    const std::string_view channel = memberships.empty() ? std::string_view() : memberships.front().channel->name;
    frames = web_socket::expired_frame(cursor, reason, channel, static_cast<std::int64_t>(now_seconds() * 1e6));
  } else if (!web_socket_->bare()) {
    frames = web_socket::cursor_frame(cursor);
  }
  web_socket::append_close(frames, over ? web_socket::CloseCode::kAccessEnded : web_socket::CloseCode::kRestart,
                           reason);
  return frames;
}

// Sends the last frames. A client that does not take them at once is cut off: its cursor is before what it has not got.
void Subscriber::close_web_socket(Ending ending, std::string_view frames) {
  if (writer_.blocked()) {
    return finish(ending, NGX_ERROR);
  }
  const BlockRef last = text_block(frames);
  if (!send_header()) {
    return;
  }
  count(*last);
  if (writer_.send(last) != StreamWriter::Sent::kAll) {
    return finish(ending, NGX_ERROR);
  }
  leave(ending);
  web_socket_->linger();
  deadline_.cancelable = 0;
  ngx_add_timer(&deadline_, kCloseWait);
}

}  // namespace pgevents::nginx
