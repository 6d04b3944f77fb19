// The states of a waiting request; see subscriber.hpp and subscriber_state.hpp. Register first, then catch up, then
// live: the channels are joined before the cursor is looked at, so that no event falls between.
#include "ngx_module/delivery/subscriber.hpp"

#include <optional>

#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

// A subscriber that is far behind gives way to the others after this many blocks.
constexpr int kBlocksPerTurn = 8;

// A poll whose filter lets nothing pass is answered after this many pages, with the cursor behind them: otherwise a
// request of a few bytes could read the whole log.
constexpr unsigned kMaxEmptyPages = 20;

// How many ids a cursor may be ahead of the ring before the log is asked again; that of pgevents.may_lag().
constexpr std::uint64_t kUsualLag = 1'000'000;

// A long poll shorter than this, in milliseconds, is a poll: the ring may be that far behind the log.
constexpr ngx_msec_t kLeastHold = 50;

Format format_of(const Subscription& wanted) {
  if (wanted.web_socket) {
    return wanted.web_socket->bare ? Format::kWebSocketBare : Format::kWebSocket;
  }
  if (wanted.flavor != Flavor::kEventSource || wanted.head_only) {
    return Format::kArray;
  }
  return wanted.envelope ? Format::kStreamEnvelope : Format::kStream;
}

ngx_msec_t hold_of(const LocConf& conf, const std::optional<double>& timeout) {
  if (!timeout || *timeout * 1000.0 >= static_cast<double>(conf.timeout)) {
    return conf.timeout;
  }
  return static_cast<ngx_msec_t>(*timeout * 1000.0);
}

}  // namespace

Subscriber* Subscriber::make(ngx_http_request_t* r, const SubscriberContext& context, const LocConf& conf,
                             const Subscription& wanted) {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (cleanup == nullptr) {
    return nullptr;
  }
  ngx_http_cleanup_t* request_end = ngx_http_cleanup_add(r, 0);
  if (request_end == nullptr) {
    return nullptr;
  }
  auto* subscriber = new Subscriber(r, context, conf, wanted);
  subscriber->own(cleanup);
  request_end->data = subscriber;
  request_end->handler = &Subscriber::on_request_end;
  return subscriber;
}

Subscriber::Subscriber(ngx_http_request_t* r, const SubscriberContext& context, const LocConf& conf,
                       const Subscription& wanted)
    : TurnLink{},
      ReleaseLink{},
      context_(context),
      conf_(conf),
      since_us_(static_cast<std::int64_t>(now_seconds() * 1e6)),
      mode_(Mode::kLongPoll),
      format_(format_of(wanted)),
      c_(r->connection),
      writer_(r),
      r_(r) {
  const ngx_msec_t hold = hold_of(conf, wanted.timeout);
  hold_until_ = ngx_current_msec + hold;
  if (wanted.flavor == Flavor::kPoll || wanted.head_only || (wanted.flavor == Flavor::kLongPoll && hold < kLeastHold)) {
    mode_ = Mode::kPoll;
    poll_kind_ = PollKind::kRequested;
  } else if (stays(wanted.flavor)) {
    mode_ = Mode::kStream;
  }
  init_timer(deadline_, this, &Subscriber::on_deadline, log());
  context_.subscribers.add(*this);
  if (mode_ != Mode::kPoll) {
    context_.metrics.add(Metric::kSubscribers, kind());
  }
}

Subscriber::~Subscriber() {
  if (gone_ != nullptr) {
    *gone_ = true;
  }
  leave(broken());
  stop_timer(deadline_);
}

// Every change of the state goes through here.
void Subscriber::enter(State next) noexcept {
  if (!may_follow(state_, next)) {
    ngx_log_error(NGX_LOG_ALERT, log(), 0, "pgevents: subscriber: \"%s\" cannot follow \"%s\"", name_of(next),
                  name_of(state_));
  }
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: subscriber: %s, was %s", name_of(next), name_of(state_));
  state_ = next;
}

// The request may be over, and this object deleted, before that returns: `gone` tells.
void Subscriber::start(const Subscription& wanted, Admission admission) noexcept {
  bool gone = false;
  gone_ = &gone;
  attempt([&] { begin(wanted, admission); });
  if (!gone) {
    gone_ = nullptr;
  }
}

void Subscriber::begin(const Subscription& wanted, Admission admission) {
  join(wanted);
  ngx_http_set_ctx(r_, this, ngx_http_pgevents_module);
  keep_request(r_, &Subscriber::on_read, &Subscriber::on_write);
  set_deadline();
  if (admission == Admission::kHold) {
    fix_start();
  }
  if (context_.service.leaving()) {
    end(Ending::kLeaving);
  } else if (admission == Admission::kHold) {
    hold();
  } else if (admission == Admission::kServeFromRing || locate()) {
    go_live();
  }
}

// From cursor_, which stands for the start.
void Subscriber::go_live() {
  start_.reset();
  enter(State::kLive);
  go_on();
}

void Subscriber::join(const Subscription& wanted) {
  if (!wanted.filter.passes_all()) {
    filter_ = std::make_unique<TypeFilter>(wanted.filter);
  }
  context_.channels.join(*this, wanted.channels, context_.view.seen_id);
  registration_.introduce(context_, *this, wanted.session);
  if (!wanted.head_only && !wanted.session.unchecked) {
    registration_.count_as_contact(context_);
  }
  if (!wanted.wait_id.empty() && mode_ != Mode::kPoll &&
      !registration_.take_wait_id(context_, wanted.session.identity, wanted.wait_id)) {
    poll_kind_ = PollKind::kWaitIdBusy;  // answered at once with what there is; the client reconnects later
  }
  start_ = std::make_unique<Cursor>(wanted.cursor);
  // "From now on" begins at the ring's newest event if the log does not answer in time.
  cursor_ = wanted.cursor.kind == Cursor::Kind::kId ? wanted.cursor.id : context_.view.ring.snapshot().last_id;
}

// True when cursor_ stands for the start. Otherwise the log is asked: the ring is a moment behind it, which would show
// for a subscriber that begins "now", and for a poll, which does not wait and must return everything that was committed
// before it.
bool Subscriber::locate() {
  if (start_->kind != Cursor::Kind::kId || mode_ == Mode::kPoll) {
    ask_log(*start_);
    return false;
  }
  start_.reset();
  return true;
}

// The state comes first: the query may fail, and this object end, before request() returns kAsked.
void Subscriber::ask_log(const Cursor& cursor) {
  const Ring::Snapshot ring = context_.view.ring.snapshot();
  asked_epoch_ = ring.epoch;
  asked_floor_ = ring.floor;
  asked_last_ = ring.last_id;
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: log asked for a page behind cursor \"%s\", ring's floor %uL",
                 cursor_text(cursor).c_str(), ring.floor);
  enter(start_ != nullptr ? State::kLocating : State::kCatchingUp);
  const Catchup::How how{start_ != nullptr || mode_ == Mode::kPoll, mode_ == Mode::kStream};
  switch (context_.catchup.request(*this, memberships, cursor, how)) {
    case Catchup::Asked::kAsked:
      return;
    case Catchup::Asked::kNoPlace:
      enter(State::kHeld);
      return context_.turns.wait_for_place(*this);
    case Catchup::Asked::kRejected:
      return page_failed();
  }
}

// Ids of before mean nothing any more.
void Subscriber::void_cursor() noexcept {
  cursor_void_ = true;
  for (Membership& membership : memberships) {
    membership.after = membership.after == Membership::kMuted ? Membership::kMuted : 0;
  }
}

void Subscriber::pull() noexcept {
  attempt([this] { go_on(); });
}

void Subscriber::go_on() {
  if (!may_go_on()) {
    return;
  }
  if (start_ != nullptr && !locate()) {
    return;
  }
  if (cursor_void_) {
    return ask_log({Cursor::Kind::kId, kFarAhead, 0});
  }
  for (int turn = 0; turn < kBlocksPerTurn; ++turn) {
    if (!ring_covers_cursor()) {
      return ask_log({Cursor::Kind::kId, cursor_, 0});
    }
    if (mode_ == Mode::kStream && !open_stream()) {
      return;
    }
    const NextBlock next = context_.block_maker.next({memberships, filter_.get(), format_, cursor_, position_},
                                                     static_cast<std::int64_t>(ngx_current_msec));
    if (next.lost) {
      return ask_log({Cursor::Kind::kId, cursor_, 0});
    }
    if (!serve(next)) {
      return;
    }
    if (next.complete) {
      return nothing_more();
    }
  }
  context_.turns.serve_later(*this);
}

// A cursor above the ring's newest id counts only if the log has confirmed it since the ring was last emptied. A copy
// that lags confirms cursors of events that have not arrived. One that is far ahead may be none of this log: the copy
// notices that only when further events have arrived (pgevents.may_lag()), so the log is asked again then.
bool Subscriber::ring_covers_cursor() const noexcept {
  const Ring::Snapshot ring = context_.view.ring.snapshot();
  if (cursor_ <= ring.last_id) {
    return cursor_ >= ring.floor;
  }
  return checked_epoch_ == ring.epoch && (cursor_ - ring.last_id <= kUsualLag || asked_last_ == ring.last_id);
}

// False when nothing more can be sent now, or the request is answered.
bool Subscriber::serve(const NextBlock& next) {
  cursor_ = next.cursor;
  position_ = next.position;
  if (next.block == nullptr) {
    return true;
  }
  if (mode_ != Mode::kStream) {
    answer(answered(), next.block, poll_kind_, !next.complete || log_goes_on_);
    return false;
  }
  return deliver(next.block);
}

// The subscriber has got everything up to now. A stream or long poll keeps waiting, other requests are finished.
void Subscriber::nothing_more() {
  if (socket_waits_) {
    return web_socket_goes_on();
  }
  if (poll_kind_ == PollKind::kWaited) {
    return;
  }
  if (mode_ == Mode::kPoll && log_goes_on_) {
    return ask_log({Cursor::Kind::kId, cursor_, 0});  // the ring may lack events that were committed before the request
  }
  if (mode_ == Mode::kStream) {
    end_stream(answered());
  } else {
    answer(answered(), nullptr, poll_kind_, false);
  }
}

void Subscriber::page_arrived(Page& page) noexcept {
  ngx_log_debug3(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: page arrived, events: %uz, cursor: %uL, more: %d",
                 page.events(), page.cursor(), static_cast<int>(page.more()));
  attempt([this, &page] { take(page); });
}

void Subscriber::take(Page& page) {
  if (is_stale_page()) {
    if (start_ != nullptr) {
      return ask_log(*start_);
    }
    enter(State::kLive);
    return go_on();
  }
  locate_by(page);
  if (const auto reason = page.reset()) {
    context_.metrics.add(Metric::kResets, *reason);
  }
  enter(State::kLive);
  if (mode_ == Mode::kStream && !open_stream()) {
    return;  // the page is asked for again when the client takes more
  }
  const BlockRef block = page.block(format_, filter_.get(), memberships);
  cursor_ = page.cursor();
  if (mode_ == Mode::kStream) {
    if (block != nullptr && !deliver(block)) {
      return;
    }
  } else if (block != nullptr || (page.more() && ++empty_pages_ >= kMaxEmptyPages)) {
    return answer(answered(), block, poll_kind_, page.more());
  }
  if (!page.more() && cursor_ < asked_floor_) {
    enter(State::kHeld);  // the log is behind the ring: it was restored, and the listener has not noticed that yet
    return context_.turns.pause(*this);
  }
  go_on();
}

// The ring was emptied since the question: the page is of a log that may have been replaced by an earlier state.
bool Subscriber::is_stale_page() const noexcept {
  return asked_epoch_ != context_.view.ring.snapshot().epoch;
}

void Subscriber::locate_by(const Page& page) noexcept {
  served_ = true;
  log_goes_on_ = page.more();
  cursor_void_ = false;
  checked_epoch_ = asked_epoch_;
  if (start_ != nullptr && start_->kind != Cursor::Kind::kId) {
    cursor_ = page.opening_cursor();
  }
  start_.reset();
}

// A stream is held, and so is a long poll that waits already.
void Subscriber::page_failed() noexcept {
  ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: the log cannot be asked now");
  attempt([this] { mode_ == Mode::kStream || served_ ? hold() : go_on_without_log(); });
}

// A new poll gets what the ring has, if its cursor lies there. The question may have taken seconds, in which the
// listener may have been lost too: the token counts as it is known now.
void Subscriber::go_on_without_log() {
  const bool from_ring =
      start_ != nullptr && admit(check_permission().has_value(), place_of(*start_, context_.view.ring.snapshot()),
                                 Flavor::kPoll, LogState::kUnanswered) == Admission::kServeFromRing;
  from_ring ? go_live() : reject(Ending::kDatabaseAway, database_away(poll_interval()));
}

}  // namespace pgevents::nginx
