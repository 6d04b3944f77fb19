// How a waiting request ends: answered, refused, over, or sent away; see subscriber.hpp. Nothing is lost by any of it, for the
// client has, or gets, the cursor behind what it was sent.
#include "ngx_module/delivery/subscriber.hpp"

#include <algorithm>
#include <cmath>

#include "ngx_module/database_worker.hpp"
#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

// The clock may be set: when a permission ends is looked at again after this many milliseconds, at the latest.
constexpr ngx_msec_int_t kLongestTimer = 3'600'000;

// So long does a user who comes back count as one who has not been away, in milliseconds: no word of it goes to the database.
constexpr ngx_msec_t kLinger = 1'000;

// When a worker leaves, its clients come back spread over twice the usual time.
unsigned jittered(ngx_msec_t retry) {
  return static_cast<unsigned>(retry) + static_cast<unsigned>(ngx_random()) % (static_cast<unsigned>(retry) + 1);
}

bool is_over(Ending ending) {
  return ending == Ending::kExpired || ending == Ending::kRevoked;
}

}  // namespace

// The next long poll or retry comes at once, the next poll when it is time.
ngx_msec_t Subscriber::linger() const noexcept {
  const bool waits = mode_ != Mode::kPoll && poll_kind_ == PollKind::kWaited;
  return kLinger + (waits ? 0 : static_cast<ngx_msec_t>(conf_.poll_interval) * 1000);
}

// The request may outlive its answer (nginx discards a body, lingers, or waits for a slow client): nothing of it must stay behind.
void Subscriber::leave() noexcept {
  if (std::exchange(ended_, true)) {
    return;
  }
  stop_timer(turn_);
  if (turn_.posted) {
    ngx_delete_posted_event(&turn_);
  }
  if (!page_key_.empty()) {
    database_.catchup().leave(this, page_key_);
    page_key_.clear();
  }
  for (const Membership& membership : channels_) {
    database_.channels().leave(membership);
  }
  channels_.clear();
  if (has_wait_slot_) {
    database_.wait_ids().release(wait_slot_, database_.self());
  }
  if (identity_ != nullptr) {
    database_.users().leave(*identity_);
  }
  if (contact_ != nullptr) {
    database_.connection_tracker()->leave(*std::exchange(contact_, nullptr), linger());
  }
  database_.remove(*this);
}

void Subscriber::finish(ngx_int_t rc) noexcept {
  ngx_connection_t* c = c_;
  const bool from_event = running_;
  leave();
  if (r_ == nullptr) {
    return ngx_http_close_connection(c);
  }
  ngx_http_finalize_request(r_, rc);
  if (from_event) {
    ngx_http_run_posted_requests(c);
  }
}

void Subscriber::give_up() noexcept {
  finish(r_ == nullptr || r_->header_sent ? NGX_ERROR : NGX_HTTP_INTERNAL_SERVER_ERROR);
}

void Subscriber::answer(const BlockRef& array, PollKind kind, bool more) {
  const Reply reply = poll_reply(array == nullptr ? "[]" : std::string(array->payload()),
                                 forgotten_ ? kFarAhead : cursor_, kind, more ? 0 : poll_interval());
  leave();  // before the client can know: it may come back at once with the same wait id
  finish(send_reply(r_, reply));
}

void Subscriber::refuse(const Error& error) {
  leave();
  finish(send_reply(r_, error_reply(error)));
}

void Subscriber::end_stream() {
  if (r_ == nullptr) {
    writer_.end();
    return finish(NGX_OK);
  }
  finish(ngx_http_send_special(r_, NGX_HTTP_LAST));
}

// --- before its time ---

// Without memory for kind words it ends without them.
void Subscriber::end(Ending ending) noexcept {
  if (!ended_ && !guarded(log(), [this, ending] { end_now(ending); })) {
    give_up();
  }
}

void Subscriber::end_now(Ending ending) {
  const bool settled = settle_cursor();
  if (mode_ == Mode::kStream) {
    return end_stream_for(ending, settled);
  }
  if (!settled) {
    return refuse(database_away(1));
  }
  answer(nullptr, is_over(ending) ? PollKind::kExpired : PollKind::kClosing, false);
}

// With nothing new in its channels the cursor goes along with what the worker has seen, so that the client comes back with a recent one.
void Subscriber::advance() noexcept {
  if (!page_key_.empty() || located_by_ != nullptr || stalled_ || forgotten_ || writer_.blocked()) {
    return;
  }
  for (const Membership& membership : channels_) {
    if (cursor_ < membership.channel->last_id) {
      return;
    }
  }
  cursor_ = std::max(cursor_, database_.seen_id());
}

// Makes the cursor the one to come back with. False when there is none yet: a time stays with the client, and "from now on" too where
// the instance never had its database.
bool Subscriber::settle_cursor() noexcept {
  advance();
  if (located_by_ == nullptr) {
    return true;
  }
  const bool from_now = located_by_->kind == Cursor::Kind::kNow && (cursor_ != 0 || database_.serving());
  return from_now || located_by_->kind == Cursor::Kind::kId;
}

// What does not go out at once is cut off and comes again: the client's cursor is before it.
void Subscriber::end_stream_for(Ending ending, bool settled) {
  if (writer_.blocked()) {
    return finish(NGX_ERROR);
  }
  if (!settled) {
    fix_start();
  }
  const BlockRef last = text_block(last_words(ending, settled));
  if (!std::exchange(header_sent_, true) && send_stream_header(r_) != NGX_OK) {
    return finish(NGX_ERROR);
  }
  if (writer_.send(last) == StreamWriter::Sent::kAll) {
    end_stream();
  } else {
    finish(NGX_ERROR);
  }
}

std::string Subscriber::last_words(Ending ending, bool settled) const {
  const bool over = is_over(ending);
  const auto retry = over ? static_cast<unsigned>(conf_.retry) : jittered(conf_.retry);
  const std::string cursor = settled ? std::to_string(forgotten_ ? kFarAhead : cursor_) : cursor_text(*located_by_);
  std::string text;
  if (!header_sent_) {
    text = stream_opening(retry, cursor);
  } else if (!over) {
    text = stream_cursor(cursor) + "retry: " + std::to_string(retry) + "\n\n";
  }
  if (over) {
    const auto now_us = static_cast<std::int64_t>(now_seconds() * 1e6);
    text += stream_expired(cursor, ending == Ending::kRevoked ? "revoked" : "expired",
                           format_ == Format::kStreamEnvelope, channels_.front().channel->name, now_us);
  }
  return text;
}

// --- timer ---

// Streams and polls that wait end with their permission, long polls also when their time is up.
void Subscriber::set_deadline() noexcept {
  const bool limited = mode_ != Mode::kPoll && identity_ != nullptr && identity_->session.expires_at;
  if (!holds() && !limited) {
    return;
  }
  ngx_msec_int_t wait = kLongestTimer;
  if (holds()) {
    wait = std::min(wait, static_cast<ngx_msec_int_t>(hold_until_ - ngx_current_msec));
  }
  if (limited) {
    const double left_ms = std::ceil((*identity_->session.expires_at - now_seconds()) * 1e3);
    wait = left_ms < static_cast<double>(wait) ? static_cast<ngx_msec_int_t>(left_ms) : wait;
  }
  ngx_add_timer(&turn_, static_cast<ngx_msec_t>(std::max<ngx_msec_int_t>(wait, 1)));
}

bool Subscriber::expired() const noexcept {
  return identity_ != nullptr && identity_->session.expires_at && now_seconds() >= *identity_->session.expires_at;
}

void Subscriber::on_turn(ngx_event_t* event) {
  auto* self = static_cast<Subscriber*>(event->data);
  if (self->ended_) {
    return;
  }
  if (!event->timedout) {
    return self->release_request();
  }
  event->timedout = 0;
  if (self->expired()) {
    return self->end(Ending::kExpired);
  }
  if (!self->holds() || static_cast<ngx_msec_int_t>(self->hold_until_ - ngx_current_msec) > 0) {
    return self->set_deadline();
  }
  if (!guarded(event->log, [self] { self->time_is_up(); })) {
    self->give_up();
  }
}

// The log may not have said yet where to begin.
void Subscriber::time_is_up() {
  if (!settle_cursor()) {
    return refuse(database_away(poll_interval()));
  }
  answer(nullptr, PollKind::kWaited, false);
}

}  // namespace pgevents::nginx
