// From the log into the ring; see ring_writer.hpp.
#include "ngx_module/listener/ring_writer.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "core/metrics/clock.hpp"
#include "core/wire/control.hpp"
#include "postgres/events.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using postgres::Rows;
using sql::PositionColumn;
using sql::RevocationColumn;

constexpr int kRowsPerPage = 1'000;

}  // namespace

postgres::Statement RingWriter::position_statement() {
  {
    const ZoneLock lock(conf_.zone);
    ring_.recover();
  }
  const std::uint64_t last = ring_.snapshot().last_id;
  const std::int64_t ts_us = ring_.last_ts_us();
  std::optional<std::string> last_ts;  // NULL: the ring knows the id, but not the event
  if (ts_us != 0) {
    last_ts = std::to_string(ts_us);
  }
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" asks where the log stands, ring at id %uL",
                 &conf_.name, last);
  return {sql::kListenerStart, {std::to_string(last), last_ts, std::to_string(conf_.preload)}};
}

// Reading goes on behind the ring's newest event. The ring starts afresh if it is empty, if the log has been pruned
// beyond it, if a new generation of ids has begun (cursors of one generation must not be served from another), or if
// the log was restored to an earlier state.
void RingWriter::take_position(const PGresult* result) {
  const auto position = Rows<PositionColumn>(result).front();
  const auto pruned = position.number<std::uint64_t>(PositionColumn::kPrunedId);
  const bool continuous = position.is_true(PositionColumn::kContinuous);
  head_ = position.number<std::uint64_t>(PositionColumn::kHead);
  const ZoneLock lock(conf_.zone);
  if (!root_.lease.owned_by(self_)) {
    return;  // the answer is about the ring as it was before another worker changed it
  }
  root_.log_head.store(head_);
  const Ring::Snapshot before = ring_.snapshot();
  if (before.last_id != 0 && before.last_id >= pruned && continuous) {
    return;
  }
  const auto start_after = position.number<std::uint64_t>(PositionColumn::kStartAfter);
  if (continuous) {
    return begin_anew(before, start_after);
  }
  root_.forced_epoch.store(before.epoch + 1);  // before reset(): a worker may look at any moment
  ngx_log_error(NGX_LOG_ERR, log_, 0,
                "pgevents: the log of \"%V\" does not continue event %uL: the database was restored, or a standby "
                "without the last events took over; clients get a reset and reload their state",
                &conf_.name, before.last_id);
  ring_.reset(start_after);
  grown_ = true;
}

// The caller holds the zone's lock, and the lease.
void RingWriter::begin_anew(const Ring::Snapshot& before, std::uint64_t after) {
  if (before.last_id != 0) {
    ngx_log_error(NGX_LOG_NOTICE, log_, 0,
                  "pgevents: the ring of \"%V\" begins anew behind event %uL: the log was pruned beyond that, or has "
                  "begun a new generation",
                  &conf_.name, before.last_id);
  }
  ring_.reset(after);
  grown_ = true;
}

// A worker that has lost the lease may have read them before the new listener did.
void RingWriter::take_revocations(const PGresult* rows) {
  const ZoneLock lock(conf_.zone);
  if (!root_.lease.owned_by(self_)) {
    return;
  }
  revocations_.replace([rows](Revocations& table) {
    for (const auto row : Rows<RevocationColumn>(rows)) {
      table.set(row.text(RevocationColumn::kUserId), row.number<std::int64_t>(RevocationColumn::kBeforeUs));
    }
  });
}

postgres::Statement RingWriter::page_statement() {
  const Ring::Snapshot now = ring_.snapshot();
  rows_ = 0;
  base_ = now.last_id;
  epoch_ = now.epoch;
  return {sql::kLogAfter, {std::to_string(base_), std::to_string(kRowsPerPage)}};
}

bool RingWriter::page_was_full() const noexcept {
  return rows_ == kRowsPerPage;
}

// A generation may begin while this listener is connected: on a copy of the log, where the primary's events arrive, and
// in a log that becomes a shard.
bool RingWriter::take_event(const PGresult* result) {
  ++rows_;
  const postgres::EventRow row(result, 0);
  const EventView event = postgres::event_in(row);
  const auto ttl = postgres::ttl_ms(row);
  const std::int64_t expires_ms = ttl ? static_cast<std::int64_t>(ngx_current_msec) + *ttl : 0;
  const ZoneLock lock(conf_.zone);
  // Another worker may have taken the lease since the page was asked for. It found out under this lock how far the ring
  // is, and asks log and revocations behind that: a late row must not move the ring.
  const Ring::Snapshot now = ring_.snapshot();
  if (!root_.lease.owned_by(self_) || now.epoch != epoch_ || now.last_id < base_ || event.id <= now.last_id) {
    return true;
  }
  if (event.channel == kControlChannel && !guarded(log_, [&] { note_control(event); })) {
    base_ = std::numeric_limits<std::uint64_t>::max();
    return false;
  }
  if (event.channel == kControlChannel && event.type == kGenerationType && now.last_id < event.id - 1) {
    begin_anew(now, event.id - 1);
    epoch_ = ring_.snapshot().epoch;  // the page goes on
  }
  ring_.append(event, expires_ms);
  count(event);
  grown_ = true;
  unannounced_ += event.data.size();
  if (unannounced_ > conf_.ring_size / 8) {  // before the ring overruns the workers that are to read it
    announce();
  }
  return true;
}

// What was in the log before this listener was ready is left out of the lag: how long ago it was committed says nothing
// about the way from the log into the ring.
void RingWriter::count(const EventView& event) noexcept {
  ++appended_;
  metrics_.add(Metric::kEventsRead);
  if (event.id > head_) {
    metrics_.observe(wall_clock_us() - event.ts_us, Metric::kDeliveryLag, LagTo::kRing);
  }
}

void RingWriter::note_end() noexcept {
  const ZoneLock lock(conf_.zone);
  if (root_.lease.owned_by(self_)) {
    root_.log_head.store(std::max(head_, ring_.snapshot().last_id));
    root_.read_ms.store(wall_clock_us() / 1'000);
    root_.read_at.store(static_cast<std::int64_t>(ngx_current_msec));
  }
}

// Called before the event is in the ring: a worker that reads it there finds the table changed already. A listener that
// is killed in between does no harm, because the next one reads the event again.
void RingWriter::note_control(const EventView& event) {
  const auto control = parse_control(event.type, event.data);
  if (control && control->kind == Control::Kind::kRevoked && event.id > head_) {
    revocations_.set(control->user, control->before_us);
  }
  root_.last_control.store(event.id);
}

void RingWriter::announce() noexcept {
  unannounced_ = 0;
  if (std::exchange(grown_, false)) {
    wake_();
  }
}

}  // namespace pgevents::nginx
