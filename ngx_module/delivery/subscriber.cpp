// The life of a waiting request; see subscriber.hpp. Register first, then catch up, then live: the channels are joined before
// the cursor is looked at, so that no event falls between.
#include "ngx_module/delivery/subscriber.hpp"

#include <algorithm>

#include "ngx_module/database_worker.hpp"
#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

// A subscriber that is far behind gives way to the others after this many blocks.
constexpr int kBlocksPerTurn = 8;

// A poll of which the filter lets nothing through is answered after this many pages, with the cursor behind them: otherwise a
// request of a few bytes could read the whole log.
constexpr int kMaxEmptyPages = 20;

// A long poll shorter than this, in milliseconds, is a poll: the ring may be that far behind the log.
constexpr ngx_msec_t kLeastHold = 50;

Format format_of(const Subscription& wanted) {
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

Subscriber* of(ngx_http_request_t* r) {
  return static_cast<Subscriber*>(ngx_http_get_module_ctx(r, ngx_http_pgevents_module));
}

}  // namespace

Subscriber* Subscriber::make(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf,
                             const Subscription& wanted) {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (cleanup == nullptr) {
    return nullptr;
  }
  auto* subscriber = new Subscriber(r, database, conf, wanted);
  subscriber->own(cleanup);
  return subscriber;
}

Subscriber::Subscriber(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf, const Subscription& wanted)
    : SubscriberLinks{},
      database_(database),
      conf_(conf),
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
  } else if (wanted.flavor == Flavor::kEventSource) {
    mode_ = Mode::kStream;
  }
  init_timer(turn_, this, &Subscriber::on_turn, log());
  database_.add(*this);
}

Subscriber::~Subscriber() {
  if (gone_ != nullptr) {
    *gone_ = true;
  }
  leave();
}

void Subscriber::moved(const Channel& channel, std::size_t index) noexcept {
  for (Membership& membership : channels_) {
    if (membership.channel == &channel) {
      membership.index = index;
      return;
    }
  }
}

void Subscriber::introduce(const Session& session) {
  if (session.identity.user.empty() && !session.expires_at) {
    return;
  }
  const auto now_us = static_cast<std::int64_t>(now_seconds() * 1e6);
  identity_ = std::make_unique<SubscriberIdentity>(
      SubscriberIdentity{{{}, this}, session, session.by_token ? session.issued_us : now_us});
  database_.users().join(*identity_);
}

void Subscriber::count_as_contact() {
  Contacts* contacts = database_.contacts();
  if (contacts != nullptr && contact_ == nullptr && identity_ != nullptr && !identity_->session.identity.user.empty()) {
    contact_ = &contacts->join(identity_->session.identity);
  }
}

// Somebody waits with this id already: answered at once with what there is, to come back later. Each user has ids of his own,
// so that nobody keeps another from waiting; so have those of a realm who have no name.
void Subscriber::take_wait_id(const Subscription& wanted) {
  if (wanted.wait_id.empty() || mode_ == Mode::kPoll) {
    return;
  }
  const Identity& who = wanted.session.identity;
  const std::string key = who.realm + '\0' + who.user + '\0' + wanted.wait_id;
  switch (database_.wait_ids().acquire(key, database_.self(), wait_slot_)) {
    case WaitIds::Result::kAcquired:
      has_wait_slot_ = true;
      return;
    case WaitIds::Result::kNoRoom:
      return;
    case WaitIds::Result::kBusy:
      poll_kind_ = PollKind::kWaitIdBusy;
  }
}

void Subscriber::join(const Subscription& wanted) {
  if (!wanted.filter.passes_all()) {
    filter_ = std::make_unique<TypeFilter>(wanted.filter);
  }
  channels_.reserve(wanted.channels.size());
  for (const std::string& name : wanted.channels) {
    Channel& channel = database_.channels().join(name, this, database_.seen_id());
    channels_.push_back({&channel, channel.members.size() - 1});
  }
  introduce(wanted.session);
  if (!wanted.head_only && !wanted.session.unchecked) {
    count_as_contact();
  }
  take_wait_id(wanted);
  located_by_ = std::make_unique<Cursor>(wanted.cursor);
  // Where "from now on" begins, should the log not say it in time, the ring does.
  cursor_ = wanted.cursor.kind == Cursor::Kind::kId ? wanted.cursor.id : database_.ring().snapshot().last_id;
}

// Whatever was left half done, the request ends with it.
template <typename Body>
void Subscriber::attempt(Body&& body) noexcept {
  if (!guarded(log(), body)) {
    give_up();
  }
}

// The request may be over, and this object gone, before that returns: `gone` tells.
void Subscriber::start(const Subscription& wanted) noexcept {
  bool gone = false;
  gone_ = &gone;
  attempt([&] { begin(wanted); });
  if (!gone) {
    gone_ = nullptr;
    running_ = true;
  }
}

void Subscriber::begin(const Subscription& wanted) {
  join(wanted);
  ngx_http_set_ctx(r_, this, ngx_http_pgevents_module);
  keep_request(r_, &Subscriber::on_read, &Subscriber::on_write);
  set_deadline();
  const bool must_wait = mode_ == Mode::kStream && (wanted.session.unchecked || !database_.serving());
  if (must_wait) {
    fix_start();
  }
  if (database_.leaving()) {
    end(Ending::kLeaving);
  } else {
    must_wait ? hold() : locate();
  }
}

// The ring is a moment behind the log. So the log itself is asked where that would show: by who wants to hear from now on, and by
// who does not wait and must be told of everything that was committed before the question.
void Subscriber::locate() {
  if (located_by_->kind != Cursor::Kind::kId || mode_ == Mode::kPoll) {
    return ask_log(*located_by_);
  }
  located_by_.reset();
  pull();
}

void Subscriber::ask_log(const Cursor& cursor) {
  const Ring::Snapshot ring = database_.ring().snapshot();
  asked_epoch_ = ring.epoch;
  asked_floor_ = ring.floor;
  switch (database_.catchup().request(this, cursor,
                                      {located_by_ != nullptr || mode_ == Mode::kPoll, mode_ == Mode::kStream})) {
    case Catchup::Asked::kAsked:
      return;
    case Catchup::Asked::kNoPlace:
      stalled_ = true;
      return database_.wait_for_place(*this);
    case Catchup::Asked::kRefused:
      return page_failed();
  }
}

bool Subscriber::open_stream(std::uint64_t cursor) {
  if (std::exchange(opened_, true)) {
    return true;
  }
  if (!std::exchange(header_sent_, true) && send_stream_header(r_) != NGX_OK) {
    finish(NGX_ERROR);
    return false;
  }
  told_cursor_ = cursor;
  const bool busy = poll_kind_ == PollKind::kWaitIdBusy;
  const ngx_msec_t retry = busy ? static_cast<ngx_msec_t>(conf_.poll_interval) * 1000 : conf_.retry;
  return deliver(text_block(stream_opening(static_cast<unsigned>(retry), cursor)));
}

void Subscriber::pull() noexcept {
  attempt([this] { go_on(); });
}

void Subscriber::go_on() {
  if (ended_ || stalled_ || !page_key_.empty() || writer_.blocked()) {
    return;
  }
  if (located_by_ != nullptr) {
    return locate();
  }
  if (forgotten_) {
    return ask_log({Cursor::Kind::kId, kFarAhead, 0});
  }
  for (int turn = 0; turn < kBlocksPerTurn; ++turn) {
    const Ring::Snapshot ring = database_.ring().snapshot();
    const bool unknown = cursor_ > ring.last_id && checked_epoch_ != ring.epoch;
    if (cursor_ < ring.floor || unknown) {
      return ask_log({Cursor::Kind::kId, cursor_, 0});
    }
    if (mode_ == Mode::kStream && !open_stream(cursor_)) {
      return;
    }
    const NextBlock served = database_.reader().next({channels_, filter_.get(), format_, cursor_, position_},
                                                     database_.seen_id(), static_cast<std::int64_t>(ngx_current_msec));
    if (served.lost) {
      return ask_log({Cursor::Kind::kId, cursor_, 0});
    }
    cursor_ = served.cursor;
    position_ = served.position;
    if (served.block != nullptr) {
      if (mode_ != Mode::kStream) {
        return answer(served.block, poll_kind_, !served.complete || log_goes_on_);
      }
      if (!deliver(served.block)) {
        return;
      }
    }
    if (served.complete) {
      return nothing_more();
    }
  }
  database_.serve_later(*this);
}

// All that there is has been sent. Who waits goes on waiting, the others are through.
void Subscriber::nothing_more() {
  if (poll_kind_ == PollKind::kWaited) {
    return;
  }
  if (mode_ == Mode::kPoll && log_goes_on_) {
    return ask_log({Cursor::Kind::kId, cursor_, 0});  // the ring may end before what was committed before the question
  }
  mode_ == Mode::kStream ? end_stream() : answer(nullptr, poll_kind_, false);
}

void Subscriber::page_arrived(Page& page) noexcept {
  attempt([this, &page] { take(page); });
}

void Subscriber::take(Page& page) {
  if (asked_epoch_ != database_.ring().snapshot().epoch) {
    return located_by_ != nullptr ? ask_log(*located_by_) : pull();  // the page is of a log that is no more
  }
  served_ = true;
  log_goes_on_ = page.more();
  forgotten_ = false;
  checked_epoch_ = asked_epoch_;
  if (located_by_ != nullptr) {
    if (located_by_->kind != Cursor::Kind::kId) {
      cursor_ = page.opening_cursor();
    }
    located_by_.reset();
  }
  if (mode_ == Mode::kStream && !open_stream(cursor_)) {
    return;  // the page is asked for again when the client takes more
  }
  const BlockRef block = page.block(format_, filter_.get());
  cursor_ = page.cursor();
  if (block != nullptr && mode_ != Mode::kStream) {
    return answer(block, poll_kind_, page.more());
  }
  if (block == nullptr && mode_ != Mode::kStream && page.more() && ++empty_pages_ >= kMaxEmptyPages) {
    return answer(nullptr, poll_kind_, true);
  }
  if (block != nullptr && !deliver(block)) {
    return;
  }
  if (!page.more() && cursor_ < asked_floor_) {
    stalled_ = true;  // the log is behind the ring: it was restored, and the listener has not noticed yet
    return database_.pause(*this);
  }
  pull();
}

// A stream waits, and so does who waits already; a new request of another kind is told.
void Subscriber::page_failed() noexcept {
  if (mode_ == Mode::kStream || served_) {
    attempt([this] { hold(); });
  } else {
    attempt([this] { refuse(database_away(poll_interval())); });
  }
}

void Subscriber::forget_position() noexcept {
  forgotten_ = true;
}

// False when nothing more can be sent now: the client must read first, or the request is over.
bool Subscriber::deliver(const BlockRef& block) {
  sent_at_ = ngx_current_msec;
  served_ = true;
  return after_send(writer_.send(block));
}

bool Subscriber::after_send(StreamWriter::Sent sent) {
  if (sent == StreamWriter::Sent::kFailed) {
    finish(NGX_ERROR);
  }
  if (sent == StreamWriter::Sent::kAll && conf_.release_request != 0 && !std::exchange(release_tried_, true)) {
    ngx_post_event(&turn_, &ngx_posted_events);
  }
  return sent == StreamWriter::Sent::kAll;
}

void Subscriber::tick(ngx_msec_t now) noexcept {
  if (ended_ || mode_ != Mode::kStream || writer_.blocked()) {
    return;
  }
  if (!header_sent_) {
    if (stalled_) {
      attempt([this] { open_waiting(); });  // it has waited for a place long enough
    }
  } else if (now - sent_at_ >= conf_.heartbeat) {
    attempt([this] { heartbeat(); });
  }
}

void Subscriber::heartbeat() {
  advance();
  const bool moved = opened_ && cursor_ != told_cursor_ && page_key_.empty() && !stalled_;
  const BlockRef block = database_.heartbeat_block(cursor_, moved);
  told_cursor_ = moved ? cursor_ : told_cursor_;
  if (deliver(block)) {
    pull();
  }
}

// A reset HTTP/2 stream may linger in nginx with frames of it still queued, so it must leave here already.
void Subscriber::on_read(ngx_http_request_t* r) {
  if (r->stream != nullptr && r->connection->error) {
    return of(r)->finish(NGX_HTTP_CLIENT_CLOSED_REQUEST);
  }
  watch_client(r);
}

void Subscriber::on_write(ngx_http_request_t* r) {
  of(r)->write_on();
}

void Subscriber::write_on() {
  if (c_->write->timedout) {
    c_->timedout = 1;
    return finish(NGX_HTTP_REQUEST_TIME_OUT);
  }
  if (ended_ || !writer_.blocked()) {
    return;
  }
  attempt([this] {
    if (after_send(writer_.resume())) {
      pull();
    }
  });
}

}  // namespace pgevents::nginx
