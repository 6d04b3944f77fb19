// Events from the ring to this worker's subscribers; see database_worker.hpp.
#include "ngx_module/database_worker.hpp"

#include <sys/eventfd.h>

#include "core/wire/control.hpp"
#include "ngx_module/delivery/subscriber.hpp"

namespace pgevents::nginx {
namespace {

// Subscribers served before other connections get a turn.
constexpr int kSliceBudget = 256;
// And of those that are far behind: each may take several blocks.
constexpr int kLateBudget = 16;
// And of those that waited until the log could be asked.
constexpr int kResumeBudget = 64;

// Those whose turn comes next, while one is served: the kernel's part takes longer than memory does. With 10,000 subscribers it is half of
// what a delivery costs outside the kernel. Inline, and so what it calls: gcc takes a function that does nothing but prefetch for one
// without effect, and leaves calls of it out.
[[gnu::always_inline]] inline void fetch_ahead(const std::vector<Subscriber*>& members, std::size_t at) {
  if (at >= 3) {
    members[at - 3]->fetch_ahead();
    members[at - 2]->fetch_connection_ahead();
    members[at - 1]->fetch_log_ahead();
  }
}

Subscriber* from_later(ngx_queue_t* link) {
  return static_cast<Subscriber*>(ngx_queue_data(link, SubscriberLinks, later_link));
}

}  // namespace

// Whoever leaves meanwhile, nobody is passed over: see remove(). Some may be visited twice.
template <typename Visit>
void DatabaseWorker::each_subscriber(Visit&& visit) {
  constexpr std::size_t kAhead = 4;  // a visit is over sooner than memory answers
  for (std::size_t at = subscribers_.size(); at-- > 0;) {
    if (at < subscribers_.size()) {
      if (at >= kAhead) {
        subscribers_[at - kAhead]->fetch_ahead();
      }
      visit(*subscribers_[at]);
    }
  }
}

DatabaseWorker::DatabaseWorker(const DatabaseConf& conf, ngx_cycle_t* cycle)
    : conf_(conf),
      log_(cycle->log),
      root_(*zone_root(conf.zone)),
      revocations_(root_),
      self_(owner_word(static_cast<std::uint32_t>(ngx_pid), root_.starts.fetch_add(1) + 1)),
      pool_(conf, cycle->log),
      listener_(
          conf, root_, ring_, revocations_, pool_, self_, [this] { wake_all(); }, cycle->log),
      channels_(ring_),
      reports_(pool_, cycle->log),
      presence_states_(pool_, cycle->log),
      connection_tracker_(
          pool_, [this] { return serving(); }, cycle->log),
      ticker_(
          pool_, [this] { return serving(); }, [this] { return listener_.listening(); }, cycle->log),
      reader_(ring_),
      catchup_(
          pool_, [this](bool page) { place_is_free(page); }, cycle->log) {
  ngx_queue_init(&later_);
  ngx_queue_init(&waiting_);
  ngx_queue_init(&paused_);
  init_timer(slice_event_, this, &DatabaseWorker::on_slice, log_);
  init_timer(second_, this, &DatabaseWorker::on_second, log_);
  init_timer(leave_, this, &DatabaseWorker::on_leave, log_);
  leave_.cancelable = 0;
}

DatabaseWorker::~DatabaseWorker() {
  stop_timer(second_);
  stop_timer(leave_);
  if (slice_event_.posted) {
    ngx_delete_posted_event(&slice_event_);
  }
}

bool DatabaseWorker::attach() noexcept {
  const ZoneLock lock(conf_.zone);
  revocations_.attach();
  return ring_.attach(root_.ring, root_.ring_bytes) && wait_ids_.attach(root_.wait_ids, kWaitIdSlots);
}

bool DatabaseWorker::start() {
  if (!attach()) {
    ngx_log_error(NGX_LOG_EMERG, log_, 0, "pgevents: the shared memory of \"%V\" has another layout", &conf_.name);
    return false;
  }
  control_hash_ = ring_.hash(kControlChannel);
  const Ring::Snapshot now = ring_.snapshot();
  pos_ = now.head_pos;
  seen_id_ = now.last_id;
  epoch_ = now.epoch;
  seen_control_ = root_.last_control.load();
  seen_loads_ = revocations_.loads();
  if (!watch_wake_fd()) {
    return false;
  }
  listener_.start();
  if (conf_.presence != 0) {
    ticker_.start();
  }
  ngx_add_timer(&second_, 1000);
  return true;
}

// One eventfd wakes all workers: each watches it edge-triggered and nobody reads it, so every write is seen by all. It also carries
// nginx's word that the worker shall leave: an idle connection's read handler is called with `close` set.
bool DatabaseWorker::watch_wake_fd() {
  wake_ = ngx_get_connection(root_.wake_fd, log_);
  if (wake_ == nullptr) {
    return false;
  }
  wake_->data = this;
  wake_->idle = 1;
  wake_->read->handler = &DatabaseWorker::on_wake;
  wake_->read->log = log_;
  wake_->log = log_;
  return ngx_add_event(wake_->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) == NGX_OK;
}

void DatabaseWorker::wake_all() noexcept {
  if (eventfd_write(root_.wake_fd, 1) != 0) {
    ngx_log_error(NGX_LOG_ALERT, log_, ngx_errno, "pgevents: eventfd_write() failed");
  }
}

void DatabaseWorker::on_wake(ngx_event_t* event) {
  auto* c = static_cast<ngx_connection_t*>(event->data);
  auto* self = static_cast<DatabaseWorker*>(c->data);
  guarded(self->log_, [c, self] {
    if (c->close) {
      return self->leave_soon();
    }
    self->look();
    self->listener_.look();
  });
}

void DatabaseWorker::exit() noexcept {
  listener_.stop();
  pool_.close();
}

// nginx is in the middle of its list of connections: those of HTTP/2 that come later in it must first be told to say GOAWAY, or they would be taken for
// idle when their streams end, and keep the worker. The timer does not let the worker exit before.
void DatabaseWorker::leave_soon() noexcept {
  if (!std::exchange(leaving_, true)) {
    wake_->idle = 0;
    ngx_add_timer(&leave_, 1);
  }
}

void DatabaseWorker::on_leave(ngx_event_t* event) {
  auto* self = static_cast<DatabaseWorker*>(event->data);
  self->shut_down();
}

void DatabaseWorker::shut_down() noexcept {
  listener_.stop();
  wake_all();  // another worker may take the listener over
  stop_timer(second_);
  ticker_.stop();
  each_subscriber([](Subscriber& subscriber) { subscriber.end(Ending::kLeaving); });
  guarded(log_, [this] { connection_tracker_.shut_down(); });
  pool_.shut_down();
  if (wake_->read->posted) {
    ngx_delete_posted_event(wake_->read);
  }
  ngx_del_event(wake_->read, NGX_READ_EVENT, 0);
  wake_->fd = static_cast<ngx_socket_t>(-1);
  ngx_free_connection(wake_);
}

void DatabaseWorker::add(Subscriber& subscriber) {
  subscriber.all_index = subscribers_.size();
  subscribers_.push_back(&subscriber);
}

// The last one takes the place that is free: one that each_subscriber(), coming from the end, has visited already, or will.
void DatabaseWorker::remove(Subscriber& subscriber) noexcept {
  subscribers_[subscriber.all_index] = subscribers_.back();
  subscribers_[subscriber.all_index]->all_index = subscriber.all_index;
  subscribers_.pop_back();
  if (std::exchange(subscriber.later, false)) {
    ngx_queue_remove(&subscriber.later_link);
  }
}

void DatabaseWorker::serve_later(Subscriber& subscriber) noexcept {
  if (!std::exchange(subscriber.later, true)) {
    ngx_queue_insert_tail(&later_, &subscriber.later_link);
  }
  schedule();
}

void DatabaseWorker::schedule() noexcept {
  if (!slice_event_.posted) {
    ngx_post_event(&slice_event_, in_slice_ ? &ngx_posted_next_events : &ngx_posted_events);
  }
}

void DatabaseWorker::look() {
  const bool serves =
      serving();  // first: what a listener has loaded before it serves is obeyed here, before anybody resumes
  look_at_ring();
  // The listener has asked the database: while it was away, events may have gone that nobody read.
  const std::uint64_t loads = revocations_.loads();
  if (std::exchange(seen_loads_, loads) != loads) {
    users_.obey(revocations_);
  }
  if (serves && !was_serving_) {
    pool_.may_connect_again();
    resume_all();
  }
  was_serving_ = serves;
}

void DatabaseWorker::look_at_ring() {
  const Ring::Snapshot now = ring_.snapshot();
  if (now.epoch != epoch_) {
    return new_epoch(now);
  }
  while (pos_ != now.head_pos) {
    std::uint64_t hash = 0;
    std::uint64_t id = 0;
    std::uint64_t next = 0;
    if (ring_.peek(pos_, hash, id, next) != Ring::Read::kOk || (hash == control_hash_ && !obey(pos_, id))) {
      return overtaken();
    }
    channels_.with_hash(hash, [&](Channel& channel) { mark(channel, id, pos_); });
    pos_ = next;
    seen_id_ = id;
  }
  if (seen_id_ < now.last_id) {  // an event too large for the ring went past it
    seen_id_ = now.last_id;
    mark_all();
  }
}

// Whatever was skipped is behind the cursors of those that it concerns.
void DatabaseWorker::overtaken() noexcept {
  const Ring::Snapshot later = ring_.snapshot();
  if (later.epoch != epoch_) {
    return new_epoch(later);
  }
  pos_ = later.head_pos;
  seen_id_ = later.last_id;
  missed_control();
  mark_all();
}

// There is a gap before the ring's first event. What was in it is in the log, and who was to be put out by it must come back to be
// looked at.
void DatabaseWorker::new_epoch(const Ring::Snapshot& now) noexcept {
  const bool forced = root_.forced_epoch.load() > epoch_;
  epoch_ = now.epoch;
  pos_ = now.head_pos;
  seen_id_ = now.last_id;
  if (forced) {
    each_subscriber([](Subscriber& subscriber) { subscriber.forget_position(); });
  }
  seen_control_ = root_.last_control.load();
  users_.send_away();
  mark_all();
}

// An event in the ring that may say who is to be put out. False when it has been overwritten.
bool DatabaseWorker::obey(std::uint64_t pos, std::uint64_t id) {
  RingEvent event;
  if (ring_.read(pos, event) != Ring::Read::kOk) {
    return false;
  }
  if (event.channel != kControlChannel) {
    return true;
  }
  const std::string_view data = std::string_view(event.json).substr(event.data.data_offset, event.data.data_size);
  if (const auto control = parse_control(event.type, data)) {
    users_.obey(*control);
  }
  seen_control_ = id;
  return true;
}

// Who was to be put out is not known here: all that may be meant come back, and are looked at then.
void DatabaseWorker::missed_control() noexcept {
  const std::uint64_t last = root_.last_control.load();
  if (std::exchange(seen_control_, last) != last) {
    users_.send_away();
  }
}

// A user who was revoked before the listener was cut off stays out. serving() comes first: what the listener loaded
// before it served is then in the table.
std::optional<Error> DatabaseWorker::refusal(std::string_view user, std::int64_t issued_us,
                                             unsigned retry_after) const {
  const bool knows = serving();
  if (revocations_.loads() != 0 && revocations_.rejects(user, issued_us)) {
    return token_revoked();
  }
  return knows ? std::nullopt : std::optional(database_away(retry_after));
}

void DatabaseWorker::mark(Channel& channel, std::uint64_t id, std::uint64_t pos) noexcept {
  Channel::NewRange& fresh = channel.started ? channel.next : channel.fresh;
  if (!channel.queued || (channel.started && fresh.first_id == 0)) {
    fresh = {channel.last_id, id, pos};
  }
  channel.last_id = id;
  queue(channel);
}

void DatabaseWorker::mark_all() noexcept {
  channels_.all([this](Channel& channel) {
    channel.fresh = {};
    channel.next = {};
    channel.last_id = seen_id_;  // at the most: whoever is behind looks it up in the ring
    channel.to_serve = channel.members.size();
    queue(channel);
  });
}

void DatabaseWorker::queue(Channel& channel) noexcept {
  if (!std::exchange(channel.queued, true)) {
    channel.to_serve = channel.members.size();
    channel.next_queued = nullptr;
    (queue_last_ == nullptr ? queue_first_ : queue_last_->next_queued) = &channel;
    queue_last_ = &channel;
  }
  schedule();
}

// Serves a channel's members from the end to the beginning. False when the budget ran out before.
bool DatabaseWorker::serve_channel(Channel& channel, int& budget) noexcept {
  channel.started = true;
  while (channel.to_serve > 0) {
    if (budget-- <= 0) {
      return false;
    }
    const std::size_t at = --channel.to_serve;
    if (at < channel.members.size()) {
      fetch_ahead(channel.members, at);
      channel.members[at]->pull();
    }
  }
  return true;
}

// The rounds of the marked channels, as far as the budget goes. False when it ran out.
bool DatabaseWorker::serve_channels(int& budget) noexcept {
  while (queue_first_ != nullptr) {
    Channel& channel = *queue_first_;
    if (!serve_channel(channel, budget)) {
      return false;
    }
    queue_first_ = channel.next_queued;
    queue_last_ = queue_first_ == nullptr ? nullptr : queue_last_;
    channel.queued = false;
    channel.started = false;
    for (Channel::CachedBlock& made : channel.made) {
      made = {};
    }
    channel.fresh = std::exchange(channel.next, {});
    if (channel.fresh.first_id != 0) {
      queue(channel);
    } else {
      channels_.drop_if_unused(channel);
    }
  }
  return true;
}

void DatabaseWorker::serve_late(int budget) noexcept {
  while (!ngx_queue_empty(&later_) && budget-- > 0) {
    Subscriber* subscriber = from_later(ngx_queue_head(&later_));
    ngx_queue_remove(&subscriber->later_link);
    subscriber->later = false;
    subscriber->pull();
  }
}

// For resume(), which may send them back to where they were.
void DatabaseWorker::enqueue(Subscriber& subscriber, ngx_queue_t& queue) noexcept {
  if (std::exchange(subscriber.later, true)) {
    ngx_queue_remove(&subscriber.later_link);
  }
  ngx_queue_insert_tail(&queue, &subscriber.later_link);
}

void DatabaseWorker::resume_all() noexcept {
  if (!ngx_queue_empty(&paused_)) {
    ngx_queue_add(&waiting_, &paused_);
    ngx_queue_init(&paused_);
  }
  resuming_ = true;
  if (may_resume()) {
    schedule();
  }
}

void DatabaseWorker::resume_waiting(int budget) noexcept {
  while (may_resume() && budget-- > 0) {
    Subscriber* subscriber = from_later(ngx_queue_head(&waiting_));
    ngx_queue_remove(&subscriber->later_link);
    subscriber->later = false;
    subscriber->resume();
  }
}

// A place is free for the next one. Where the log could not be asked, the others need not try before the next second.
void DatabaseWorker::place_is_free(bool page) noexcept {
  resuming_ = resuming_ && page;
  if (may_resume()) {
    schedule();
  }
}

void DatabaseWorker::slice() noexcept {
  int budget = kSliceBudget;
  in_slice_ = true;
  const bool all = serve_channels(budget);
  serve_late(kLateBudget);
  resume_waiting(kResumeBudget);
  if (!all || !ngx_queue_empty(&later_) || may_resume()) {
    schedule();
  }
  in_slice_ = false;
}

void DatabaseWorker::on_slice(ngx_event_t* event) {
  auto* self = static_cast<DatabaseWorker*>(event->data);
  self->slice();
}

void DatabaseWorker::on_second(ngx_event_t* event) {
  auto* self = static_cast<DatabaseWorker*>(event->data);
  guarded(self->log_, [self] { self->each_second(); });
  if (!self->leaving_) {
    ngx_add_timer(event, 1000);
  }
}

// Heartbeats; and another try for those that could not be served because the database was away.
void DatabaseWorker::each_second() {
  look();
  resuming_ = was_serving_;
  if (resuming_) {
    resume_all();
  }
  each_subscriber([](Subscriber& subscriber) { subscriber.tick(ngx_current_msec); });
  connection_tracker_.each_second();
}

BlockRef DatabaseWorker::heartbeat_block(std::uint64_t cursor, bool moved) {
  if (!moved) {
    if (heartbeat_plain_ == nullptr) {
      heartbeat_plain_ = text_block(":\n\n");
    }
    return heartbeat_plain_;
  }
  if (heartbeat_moved_ == nullptr || heartbeat_cursor_ != cursor) {
    heartbeat_moved_ = text_block(":\n" + stream_cursor(cursor));
    heartbeat_cursor_ = cursor;
  }
  return heartbeat_moved_;
}

}  // namespace pgevents::nginx
