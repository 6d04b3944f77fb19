// See ring_follower.hpp.
#include "ngx_module/delivery/ring_follower.hpp"

#include <string_view>
#include <utility>

#include "core/wire/control.hpp"
#include "ngx_module/delivery/subscriber.hpp"

namespace pgevents::nginx {

void RingFollower::start() noexcept {
  control_hash_ = view_.ring.hash(kControlChannel);
  const Ring::Snapshot now = view_.ring.snapshot();
  jump_to(now);
  epoch_ = now.epoch;
  seen_control_ = root_.last_control.load();
  seen_loads_ = revocations_.loads();
}

void RingFollower::look() {
  [[maybe_unused]] const std::uint64_t before = view_.seen_id;
  look_at_ring();
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: ring read, from id %uL to %uL", before, view_.seen_id);
  // A new table: the listener has asked the database. While it was away, events that no worker had read may have been
  // pruned.
  const std::uint64_t loads = revocations_.loads();
  if (std::exchange(seen_loads_, loads) != loads) {
    followers_.users.obey(revocations_);
  }
}

void RingFollower::look_at_ring() {
  const Ring::Snapshot now = view_.ring.snapshot();
  if (now.epoch != epoch_) {
    return new_epoch(now);
  }
  while (pos_ != now.head_pos) {
    std::uint64_t hash = 0;
    std::uint64_t id = 0;
    std::uint64_t next = 0;
    if (view_.ring.peek(pos_, hash, id, next) != Ring::Read::kOk || (hash == control_hash_ && !obey(pos_, id))) {
      return overtaken();
    }
    followers_.channels.with_hash(hash, [&](Channel& channel) { followers_.turns.mark(channel, id, pos_); });
    pos_ = next;
    view_.seen_id = id;
  }
  if (view_.seen_id < now.last_id) {  // an event that is too large for the ring
    view_.seen_id = now.last_id;
    followers_.turns.mark_all(followers_.channels, view_.seen_id);
  }
}

void RingFollower::jump_to(const Ring::Snapshot& now) noexcept {
  pos_ = now.head_pos;
  view_.seen_id = now.last_id;
}

// The ring has overwritten what this worker had not read yet. The subscribers that miss events find their cursors below
// the floor, and ask the log.
void RingFollower::overtaken() noexcept {
  const Ring::Snapshot now = view_.ring.snapshot();
  if (now.epoch != epoch_) {
    return new_epoch(now);
  }
  followers_.metrics.add(Metric::kRingOverruns);
  jump_to(now);
  if (overtaken_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    ngx_log_error(
        NGX_LOG_ERR, log_, 0,
        "pgevents: the ring of \"%V\" has overtaken process %P, whose clients get the events from the database "
        "instead; raise ring= of pgevents_database, or look for what kept the process busy%s",
        &database_, ngx_pid, overtaken_log_.note());
  }
  followers_.turns.mark_all(followers_.channels, view_.seen_id);  // first: a client that ends must not skip them
  missed_control();
}

// The ring was emptied: events are missing before its first one. They are in the log. Control events may be among them,
// so all users must reconnect and have their access checked again.
void RingFollower::new_epoch(const Ring::Snapshot& now) noexcept {
  const bool forced = root_.forced_epoch.load() > epoch_;
  epoch_ = now.epoch;
  jump_to(now);
  if (forced) {
    followers_.subscribers.each([](Subscriber& subscriber) { subscriber.void_cursor(); });
  }
  seen_control_ = root_.last_control.load();
  followers_.turns.mark_all(followers_.channels, view_.seen_id);  // first: a client that ends must not skip them
  followers_.users.send_away();
}

// Obeys the control event at `pos`. False when it has been overwritten.
bool RingFollower::obey(std::uint64_t pos, std::uint64_t id) {
  RingEvent event;
  if (view_.ring.read(pos, event) != Ring::Read::kOk) {
    return false;
  }
  if (event.channel != kControlChannel) {  // another channel with the same hash
    return true;
  }
  const std::string_view data = std::string_view(event.json).substr(event.data.data_offset, event.data.data_size);
  if (const auto control = parse_control(event.type, data)) {
    followers_.users.obey(*control);
  }
  seen_control_ = id;
  return true;
}

// Which users the missed control events concern is unknown: all users must reconnect and have their access checked
// again.
void RingFollower::missed_control() noexcept {
  const std::uint64_t last = root_.last_control.load();
  if (std::exchange(seen_control_, last) != last) {
    followers_.users.send_away();
  }
}

}  // namespace pgevents::nginx
