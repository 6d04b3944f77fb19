// How a waiting request ends: answered, rejected, out of time, or before its time; see subscriber.hpp. No event is lost
// by it: the client has, or gets, the cursor behind what it was sent.
#include "ngx_module/delivery/subscriber.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/delivery/web_socket.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/http/request_record.hpp"

namespace pgevents::nginx {
namespace {

// The clock may be set: expiry is checked again after this many milliseconds at most.
constexpr ngx_msec_int_t kLongestTimer = 3'600'000;

// Grace period in milliseconds: a user who reconnects within it is not reported as disconnected.
constexpr ngx_msec_t kLinger = 1'000;

// When a worker leaves, its clients reconnect spread over twice the usual time.
unsigned jittered(ngx_msec_t retry) {
  return static_cast<unsigned>(retry) + static_cast<unsigned>(ngx_random()) % (static_cast<unsigned>(retry) + 1);
}

bool is_over(Ending ending) {
  return ending == Ending::kExpired || ending == Ending::kRevoked;
}

}  // namespace

// After a stream or long poll the client reconnects at once, after a poll when the interval is over.
ngx_msec_t Subscriber::linger() const noexcept {
  const bool waits = mode_ != Mode::kPoll && poll_kind_ == PollKind::kWaited;
  return kLinger + (waits ? 0 : static_cast<ngx_msec_t>(conf_.poll_interval) * 1000);
}

// The one to reconnect with, as far as it is known.
Cursor Subscriber::cursor() const noexcept {
  if (cursor_void_) {
    return {Cursor::Kind::kId, kFarAhead, 0};
  }
  return start_ != nullptr ? *start_ : Cursor{Cursor::Kind::kId, cursor_, 0};
}

// For the variables, while there is a request.
void Subscriber::record(bool released) noexcept {
  RequestRecord* const record = r_ == nullptr ? nullptr : find_record(r_);
  if (record != nullptr) {
    record->subscribed = true;
    record->cursor = cursor();
    record->events_sent = events_sent_;
    record->ending = ending_;
    record->released = released;
  }
}

// Once; every end comes here, with its reason. The request may outlive its answer (nginx discards a body, lingers, or
// waits for a slow client): no part of the worker may refer to it any longer.
void Subscriber::leave(Ending ending) noexcept {
  if (state_ == State::kEnded) {
    return;
  }
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: subscriber ends: %s", word_of(ending));
  ending_ = ending;
  record(false);
  if (mode_ != Mode::kPoll) {
    context_.metrics.subtract(Metric::kSubscribers, kind());
  }
  if (mode_ == Mode::kStream) {
    context_.metrics.add(Metric::kStreamEnds, ending);
  }
  if (web_socket_ != nullptr) {
    web_socket_->leave();
  }
  enter(State::kEnded);
  stop_timer(deadline_);
  context_.releases.remove(*this);
  context_.catchup.leave(*this);
  context_.channels.leave(*this);
  registration_.leave(context_, linger());
  context_.turns.remove(*this);
  context_.subscribers.remove(*this);
}

// While start() runs nginx itself continues with the request afterwards.
void Subscriber::finish(Ending ending, ngx_int_t rc) noexcept {
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: request finished: %i", rc);
  ngx_connection_t* c = c_;
  const bool from_event = gone_ == nullptr;
  leave(ending);
  if (r_ == nullptr) {
    return ngx_http_close_connection(c);
  }
  ngx_http_finalize_request(r_, rc);
  if (from_event) {
    ngx_http_run_posted_requests(c);
  }
}

// nginx ends the request: the client has left, or the worker may stay no longer. Called before nginx logs the request.
void Subscriber::on_request_end(void* data) {
  auto* self = static_cast<Subscriber*>(data);
  self->leave(self->broken());
}

// Why a connection is over, or takes nothing more.
Ending Subscriber::broken() const noexcept {
  if (c_->close) {
    return Ending::kLeaving;
  }
  if (c_->timedout) {
    return Ending::kClientTooSlow;
  }
  return c_->error || c_->read->pending_eof || c_->read->error ? Ending::kClientLeft : Ending::kError;
}

void Subscriber::give_up() noexcept {
  finish(Ending::kError, r_ == nullptr || r_->header_sent ? NGX_ERROR : NGX_HTTP_INTERNAL_SERVER_ERROR);
}

Ending Subscriber::answered() const noexcept {
  return poll_kind_ == PollKind::kWaitIdBusy ? Ending::kWaitIdBusy : Ending::kAnswered;
}

void Subscriber::answer(Ending ending, const BlockRef& array, PollKind kind, bool more) {
  const bool has_body = array != nullptr && r_->method != NGX_HTTP_HEAD;
  if (has_body) {
    events_sent_ += array->events();
    count(*array);
  }
  const Reply reply = poll_reply(array == nullptr ? "[]" : std::string(array->payload()),
                                 cursor_void_ ? kFarAhead : cursor_, kind, more ? 0 : poll_interval());
  leave(ending);  // before the client gets the answer: it may send the next request, with the same wait id, at once
  finish(ending, send_reply(r_, reply));
}

void Subscriber::reject(Ending ending, const Error& error) {
  leave(ending);
  finish(ending, send_reply(r_, error_reply(error)));
}

void Subscriber::end_stream(Ending ending) {
  if (r_ == nullptr) {
    writer_.end();
    return finish(ending, NGX_OK);
  }
  finish(ending, ngx_http_send_special(r_, NGX_HTTP_LAST));
}

// --- before its time ---

// Without memory for the last words it ends without them.
void Subscriber::end(Ending ending) noexcept {
  if (state_ != State::kEnded) {
    attempt([this, ending] { end_now(ending); });
  }
}

void Subscriber::end_now(Ending ending) {
  const bool settled = settle_cursor();
  if (mode_ == Mode::kStream) {
    return end_stream_for(ending, settled);
  }
  if (!settled) {
    return reject(ending, database_away(1));
  }
  answer(ending, nullptr, is_over(ending) ? PollKind::kExpired : PollKind::kClosing, false);
}

// Makes cursor_ the one to reconnect with. False when it does not stand for the start yet: a time stays with the
// client, and so does "from now on" if this instance has never had its database.
bool Subscriber::settle_cursor() noexcept {
  advance();
  if (start_ == nullptr) {
    return true;
  }
  const bool from_now = start_->kind == Cursor::Kind::kNow && (cursor_ != 0 || context_.service.serving());
  return from_now || start_->kind == Cursor::Kind::kId;
}

// What the client does not take at once is cut off, and sent again when it reconnects: its cursor is before it.
void Subscriber::end_stream_for(Ending ending, bool settled) {
  if (writer_.blocked()) {
    return finish(ending, NGX_ERROR);
  }
  if (!settled) {
    fix_start();
  }
  if (is_web_socket()) {
    return close_web_socket(ending, last_frames(ending, settled));
  }
  const BlockRef last = text_block(last_words(ending, settled));
  if (!send_header()) {
    return;
  }
  count(*last);
  if (writer_.send(last) == StreamWriter::Sent::kAll) {
    end_stream(ending);
  } else {
    finish(ending, NGX_ERROR);
  }
}

// After settle_cursor() and fix_start().
std::string Subscriber::last_cursor(bool settled) const {
  return settled ? std::to_string(cursor_void_ ? kFarAhead : cursor_) : cursor_text(*start_);
}

std::string Subscriber::last_words(Ending ending, bool settled) const {
  const bool over = is_over(ending);
  const auto retry = over ? static_cast<unsigned>(conf_.retry) : jittered(conf_.retry);
  const std::string cursor = last_cursor(settled);
  std::string text;
  if (opening_ == Opening::kNone) {
    text = stream_opening(retry, cursor);
  } else if (!over) {
    text = stream_cursor(cursor) + "retry: " + std::to_string(retry) + "\n\n";
  }
  if (over) {
    const auto now_us = static_cast<std::int64_t>(now_seconds() * 1e6);
    text += stream_expired(cursor, ending == Ending::kRevoked ? "revoked" : "expired",
                           format_ == Format::kStreamEnvelope, memberships.front().channel->name, now_us);
  }
  return text;
}

// --- deadline ---

// Streams and long polls end with their permission, long polls also when their time is up.
void Subscriber::set_deadline() noexcept {
  const std::optional<double> expires_at = mode_ == Mode::kPoll ? std::nullopt : registration_.expires_at();
  if (!is_long_poll() && !expires_at) {
    return;
  }
  ngx_msec_int_t wait = kLongestTimer;
  if (is_long_poll()) {
    wait = std::min(wait, static_cast<ngx_msec_int_t>(hold_until_ - ngx_current_msec));
  }
  if (expires_at) {
    const double left_ms = std::ceil((*expires_at - now_seconds()) * 1e3);
    wait = left_ms < static_cast<double>(wait) ? static_cast<ngx_msec_int_t>(left_ms) : wait;
  }
  ngx_add_timer(&deadline_, static_cast<ngx_msec_t>(std::max<ngx_msec_int_t>(wait, 1)));
}

bool Subscriber::expired() const noexcept {
  const std::optional<double> expires_at = registration_.expires_at();
  return expires_at && now_seconds() >= *expires_at;
}

bool Subscriber::has_time_left() const noexcept {
  return !is_long_poll() || static_cast<ngx_msec_int_t>(hold_until_ - ngx_current_msec) > 0;
}

void Subscriber::on_deadline(ngx_event_t* event) {
  auto* self = static_cast<Subscriber*>(event->data);
  if (self->state_ == State::kEnded) {
    return self->finish(self->ending_, NGX_OK);  // a WebSocket whose client does not answer the close frame
  }
  if (self->expired()) {
    return self->end(Ending::kExpired);
  }
  if (self->has_time_left()) {
    return self->set_deadline();
  }
  self->attempt([self] { self->time_is_up(); });
}

// The log may not have answered yet where to begin.
void Subscriber::time_is_up() {
  if (!settle_cursor()) {
    return reject(Ending::kDatabaseAway, database_away(poll_interval()));
  }
  answer(Ending::kTimeout, nullptr, PollKind::kWaited, false);
}

}  // namespace pgevents::nginx
