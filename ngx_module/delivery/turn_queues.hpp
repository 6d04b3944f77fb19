// What waits for a turn: channels with new events, subscribers with more to send, and subscribers that wait until the
// log can be asked. RingFollower and subscribers fill these queues, TurnScheduler empties them in slices. Queueing
// takes no memory.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <functional>

#include "ngx_module/delivery/channels.hpp"

namespace pgevents::nginx {

// A subscriber's place in one of the queues; null pointers outside. Plain, so that offsetof is defined for it.
struct TurnLink {
  ngx_queue_t turn_link;
};

class TurnQueues {
 public:
  // `slice` is called from the event loop when something was queued.
  TurnQueues(std::function<void()> slice, ngx_log_t* log);
  ~TurnQueues();
  TurnQueues(const TurnQueues&) = delete;
  TurnQueues& operator=(const TurnQueues&) = delete;

  // Another slice follows; while one runs, in the next round of the event loop.
  void schedule() noexcept;

  // --- channels: each gets a round of all its members ---

  // An event of this channel is new in the ring, at `pos`.
  void mark(Channel& channel, std::uint64_t id, std::uint64_t pos) noexcept;
  // Any channel may have new events, up to `seen_id`.
  void mark_all(Channels& channels, std::uint64_t seen_id) noexcept;
  void queue(Channel& channel) noexcept;
  // The channel whose round is under way, or next; null: none.
  Channel* first_channel() const noexcept { return first_channel_; }
  // Its round is over: it leaves the queue, and comes in again at the end if events came meanwhile.
  void end_round(Channel& channel) noexcept;

  // --- subscribers: each is in one queue at most ---

  // It has more to send than fits into a turn.
  void serve_later(TurnLink& link) noexcept;
  // It waits until Catchup has a place.
  void wait_for_place(TurnLink& link) noexcept { move(link, waiting_); }
  // It waits up to a second, until the log may answer otherwise.
  void pause(TurnLink& link) noexcept { move(link, paused_); }
  // All paused subscribers wait for a place from now on.
  void end_pause() noexcept;
  void remove(TurnLink& link) noexcept;

  bool has_late() const noexcept { return !ngx_queue_empty(&late_); }
  bool has_waiting() const noexcept { return !ngx_queue_empty(&waiting_); }
  // Only if there is one.
  TurnLink& take_late() noexcept { return take(late_); }
  TurnLink& take_waiting() noexcept { return take(waiting_); }

 private:
  static void on_slice(ngx_event_t* event);

  void move(TurnLink& link, ngx_queue_t& queue) noexcept;
  TurnLink& take(ngx_queue_t& queue) noexcept;

  std::function<void()> slice_;
  ngx_event_t slice_event_{};
  bool in_slice_ = false;
  Channel* first_channel_ = nullptr;
  Channel* last_channel_ = nullptr;
  ngx_queue_t late_;
  ngx_queue_t waiting_;
  ngx_queue_t paused_;
};

}  // namespace pgevents::nginx
