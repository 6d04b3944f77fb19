// See channel_join.hpp.
#include "ngx_module/delivery/channel_join.hpp"

#include <algorithm>
#include <utility>

#include "ngx_module/delivery/subscriber.hpp"
#include "ngx_module/delivery/subscriber_context.hpp"

namespace pgevents::nginx {
namespace {

// As a subscriber, it gives way to the others after this many blocks.
constexpr int kBlocksPerTurn = 8;

}  // namespace

ChannelJoin::ChannelJoin(Joiner& joiner, Subscriber& subscriber, std::string number,
                         const std::vector<std::string>& names, const Cursor& start)
    : joiner_(joiner),
      subscriber_(subscriber),
      number_(std::move(number)),
      start_(start),
      located_(start.kind == Cursor::Kind::kId),
      cursor_(start.id) {
  auto& all = subscriber_.memberships;
  const std::size_t before = all.size();
  subscriber_.context_.channels.join(subscriber_, names, subscriber_.context_.view.seen_id, Membership::kMuted);
  subscriber_.position_ = {};
  for (std::size_t at = before; at < all.size(); ++at) {
    channels_.push_back({all[at].channel, 0, 0});
  }
}

ChannelJoin::~ChannelJoin() {
  subscriber_.context_.catchup.leave(*this);
}

bool ChannelJoin::start() {
  if (channels_.empty()) {
    const std::string number = std::move(number_);
    return joiner_.joined(number, subscriber_.cursor_);
  }
  step();
  return false;  // the events may have ended everything; whatever waits is read in an event of its own
}

bool ChannelJoin::ring_covers_cursor() const noexcept {
  const Ring::Snapshot ring = subscriber_.context_.view.ring.snapshot();
  return cursor_ >= ring.floor && (cursor_ <= ring.last_id || checked_epoch_ == ring.epoch);
}

void ChannelJoin::step() {
  if (asked_ || !subscriber_.may_go_on()) {
    return;
  }
  if (!located_) {
    return ask_log();
  }
  for (int turn = 0; turn < kBlocksPerTurn; ++turn) {
    if (!ring_covers_cursor()) {
      return ask_log();
    }
    const NextBlock next =
        subscriber_.context_.block_maker.next({channels_, subscriber_.filter_.get(), subscriber_.format_, cursor_, {}},
                                              static_cast<std::int64_t>(ngx_current_msec));
    if (next.lost) {
      return ask_log();
    }
    cursor_ = next.cursor;
    if (next.block != nullptr && !subscriber_.deliver(next.block)) {
      return;
    }
    if (next.complete) {
      return finish();
    }
  }
  subscriber_.context_.turns.serve_later(subscriber_);
}

void ChannelJoin::ask_log() {
  const Ring::Snapshot ring = subscriber_.context_.view.ring.snapshot();
  asked_epoch_ = ring.epoch;
  asked_floor_ = ring.floor;
  asked_ = true;
  const Cursor cursor = located_ ? Cursor{Cursor::Kind::kId, cursor_, 0} : start_;
  const auto asked = subscriber_.context_.catchup.request(*this, channels_, cursor, {!located_, false});
  if (asked != Catchup::Asked::kAsked) {
    page_failed();
  }
}

void ChannelJoin::page_arrived(Page& page) noexcept {
  asked_ = false;
  subscriber_.attempt([this, &page] { take(page); });
}

void ChannelJoin::page_failed() noexcept {
  asked_ = false;
  subscriber_.attempt([this] { fail(database_away(subscriber_.poll_interval())); });
}

// A page that the client cannot take now, or of a log that may have been replaced, is asked for again.
void ChannelJoin::take(Page& page) {
  if (asked_epoch_ != subscriber_.context_.view.ring.snapshot().epoch || !subscriber_.may_go_on()) {
    return step();
  }
  if (!page.more() && page.cursor() < asked_floor_) {  // the log is behind the ring: it was restored
    return fail(database_away(subscriber_.poll_interval()));
  }
  if (const auto reason = page.reset()) {
    subscriber_.context_.metrics.add(Metric::kResets, *reason);
  }
  located_ = true;
  checked_epoch_ = asked_epoch_;
  cursor_ = page.cursor();
  const BlockRef block = page.block(subscriber_.format_, subscriber_.filter_.get(), channels_);
  if (block == nullptr || subscriber_.deliver(block)) {
    step();
  }
}

// The one of the two cursors that is further counts for its channels by Membership::after.
void ChannelJoin::finish() {
  const std::uint64_t own = cursor_;
  const std::uint64_t others = subscriber_.cursor_;
  for (Membership& membership : subscriber_.memberships) {
    const bool is_new = membership.after == Membership::kMuted;
    membership.after = is_new ? own : std::max(membership.after, others);
  }
  subscriber_.cursor_ = std::min(own, others);
  const std::string number = std::move(number_);
  joiner_.joined(number, own);
}

void ChannelJoin::fail(const Error& error) {
  for (const Membership& membership : channels_) {
    const std::string name = membership.channel->name;
    subscriber_.context_.channels.leave(subscriber_, name);
  }
  const std::string number = std::move(number_);
  joiner_.not_joined(number, error);
}

}  // namespace pgevents::nginx
