// See release_queue.hpp.
#include "ngx_module/delivery/release_queue.hpp"

namespace pgevents::nginx {

ReleaseQueue::ReleaseQueue(Release release, ngx_log_t* log) noexcept : release_(release) {
  init_timer(event_, this, &ReleaseQueue::on_event, log);
  ngx_queue_init(&queue_);
}

ReleaseQueue::~ReleaseQueue() {
  if (event_.posted) {
    ngx_delete_posted_event(&event_);
  }
}

void ReleaseQueue::add(ReleaseLink& link) noexcept {
  ngx_queue_insert_tail(&queue_, &link.release_link);
  ngx_post_event(&event_, &ngx_posted_events);
}

void ReleaseQueue::remove(ReleaseLink& link) noexcept {
  if (link.release_link.next != nullptr) {
    ngx_queue_remove(&link.release_link);
    link.release_link = {};
  }
}

void ReleaseQueue::on_event(ngx_event_t* event) {
  auto* self = static_cast<ReleaseQueue*>(event->data);
  while (!ngx_queue_empty(&self->queue_)) {
    auto* link = static_cast<ReleaseLink*>(ngx_queue_data(ngx_queue_head(&self->queue_), ReleaseLink, release_link));
    self->remove(*link);
    self->release_(*link);
  }
}

}  // namespace pgevents::nginx
