// See turn_queues.hpp.
#include "ngx_module/delivery/turn_queues.hpp"

#include <utility>

namespace pgevents::nginx {

TurnQueues::TurnQueues(std::function<void()> slice, ngx_log_t* log) : slice_(std::move(slice)) {
  init_timer(slice_event_, this, &TurnQueues::on_slice, log);
  ngx_queue_init(&late_);
  ngx_queue_init(&waiting_);
  ngx_queue_init(&paused_);
}

TurnQueues::~TurnQueues() {
  if (slice_event_.posted) {
    ngx_delete_posted_event(&slice_event_);
  }
}

void TurnQueues::schedule() noexcept {
  if (!slice_event_.posted) {
    ngx_post_event(&slice_event_, in_slice_ ? &ngx_posted_next_events : &ngx_posted_events);
  }
}

void TurnQueues::on_slice(ngx_event_t* event) {
  auto* self = static_cast<TurnQueues*>(event->data);
  self->in_slice_ = true;
  self->slice_();
  self->in_slice_ = false;
}

void TurnQueues::mark(Channel& channel, std::uint64_t id, std::uint64_t pos) noexcept {
  Channel::NewRange& range = channel.started ? channel.next : channel.current;
  if (!channel.queued || (channel.started && range.first_id == 0)) {
    range = {channel.last_id, id, pos};
  }
  channel.last_id = id;
  queue(channel);
}

void TurnQueues::mark_all(Channels& channels, std::uint64_t seen_id) noexcept {
  channels.all([this, seen_id](Channel& channel) {
    channel.current = {};
    channel.next = {};
    channel.last_id = seen_id;  // at most: a subscriber that is behind looks it up in the ring
    channel.to_serve = channel.members.size();
    queue(channel);
  });
}

void TurnQueues::queue(Channel& channel) noexcept {
  if (!std::exchange(channel.queued, true)) {
    channel.to_serve = channel.members.size();
    channel.next_queued = nullptr;
    (last_channel_ == nullptr ? first_channel_ : last_channel_->next_queued) = &channel;
    last_channel_ = &channel;
  }
  schedule();
}

void TurnQueues::end_round(Channel& channel) noexcept {
  first_channel_ = channel.next_queued;
  last_channel_ = first_channel_ == nullptr ? nullptr : last_channel_;
  channel.queued = false;
  channel.started = false;
  for (Channel::CachedBlock& cached : channel.cached) {
    cached = {};
  }
  channel.current = std::exchange(channel.next, {});
  if (channel.current.first_id != 0) {
    queue(channel);
  }
}

void TurnQueues::serve_later(TurnLink& link) noexcept {
  if (link.turn_link.next == nullptr) {
    ngx_queue_insert_tail(&late_, &link.turn_link);
  }
  schedule();
}

void TurnQueues::move(TurnLink& link, ngx_queue_t& queue) noexcept {
  remove(link);
  ngx_queue_insert_tail(&queue, &link.turn_link);
}

void TurnQueues::end_pause() noexcept {
  if (!ngx_queue_empty(&paused_)) {
    ngx_queue_add(&waiting_, &paused_);
    ngx_queue_init(&paused_);
  }
}

void TurnQueues::remove(TurnLink& link) noexcept {
  if (link.turn_link.next != nullptr) {
    ngx_queue_remove(&link.turn_link);
    link.turn_link = {};
  }
}

TurnLink& TurnQueues::take(ngx_queue_t& queue) noexcept {
  auto* link = static_cast<TurnLink*>(ngx_queue_data(ngx_queue_head(&queue), TurnLink, turn_link));
  remove(*link);
  return *link;
}

}  // namespace pgevents::nginx
