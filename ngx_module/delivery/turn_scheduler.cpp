// See turn_scheduler.hpp.
#include "ngx_module/delivery/turn_scheduler.hpp"

#include <cstddef>
#include <vector>

#include "ngx_module/delivery/subscriber.hpp"

namespace pgevents::nginx {
namespace {

// In one slice: turns in the rounds of channels, turns of subscribers that are far behind (each may take several
// blocks), and subscribers that ask the log again.
constexpr int kSliceBudget = 256;
constexpr int kLateBudget = 16;
constexpr int kResumeBudget = 64;

// The clock is read once for so many turns.
constexpr int kTurnsPerReading = 32;

Subscriber& subscriber_of(ChannelMember& member) {
  return static_cast<Subscriber&>(member);
}

Subscriber& subscriber_of(TurnLink& link) {
  return static_cast<Subscriber&>(link);
}

// Prefetches what the next three turns need while the kernel sends for this one: with 10,000 subscribers waiting for
// memory is half of what a delivery costs outside the kernel. Inline, like what it calls: gcc takes a function that
// only prefetches for one without effect, and leaves out calls of it.
[[gnu::always_inline]] inline void fetch_ahead(const std::vector<ChannelMember*>& members, std::size_t at) {
  if (at >= 3) {
    subscriber_of(*members[at - 3]).fetch_ahead();
    subscriber_of(*members[at - 2]).fetch_connection_ahead();
    subscriber_of(*members[at - 1]).fetch_log_ahead();
  }
}

}  // namespace

void TurnScheduler::slice() noexcept {
  int budget = kSliceBudget;
  clock_.read();
  const bool all = serve_channels(budget);
  serve_late(kLateBudget);
  resume_waiting(kResumeBudget);
  clock_.end_slice();
  const bool more = !all || queues_.has_late() || may_resume();
  if (more) {
    queues_.schedule();
  }
  ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0, "pgevents: slice, turns of channels: %d, more: %d",
                 kSliceBudget - (budget < 0 ? 0 : budget), static_cast<int>(more));
}

// Serves the rounds of the queued channels, as far as the budget goes. False when it ran out.
bool TurnScheduler::serve_channels(int& budget) noexcept {
  while (Channel* channel = queues_.first_channel()) {
    if (!serve_channel(*channel, budget)) {
      return false;
    }
    queues_.end_round(*channel);
    channels_.drop_if_unused(*channel);
  }
  return true;
}

// Serves a channel's members from the end to the beginning. False when the budget ran out before.
bool TurnScheduler::serve_channel(Channel& channel, int& budget) noexcept {
  channel.started = true;
  while (channel.to_serve > 0) {
    if (budget-- <= 0) {
      return false;
    }
    if (budget % kTurnsPerReading == 0) {
      clock_.read();
    }
    const std::size_t at = --channel.to_serve;
    if (at < channel.members.size()) {
      fetch_ahead(channel.members, at);
      subscriber_of(*channel.members[at]).pull();
    }
  }
  return true;
}

void TurnScheduler::serve_late(int budget) noexcept {
  while (queues_.has_late() && budget-- > 0) {
    subscriber_of(queues_.take_late()).pull();
  }
}

// resume() may queue the subscriber again.
void TurnScheduler::resume_waiting(int budget) noexcept {
  while (may_resume() && budget-- > 0) {
    subscriber_of(queues_.take_waiting()).resume();
  }
}

void TurnScheduler::retry(bool serving) noexcept {
  resuming_ = serving;
  if (serving) {
    queues_.end_pause();
  }
  if (may_resume()) {
    queues_.schedule();
  }
}

void TurnScheduler::place_is_free(bool page) noexcept {
  resuming_ = resuming_ && page;
  if (may_resume()) {
    queues_.schedule();
  }
}

}  // namespace pgevents::nginx
