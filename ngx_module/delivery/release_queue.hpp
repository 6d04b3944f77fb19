// Streams that are about to give up their request (`pgevents_release_request`). They do it in an event of its own:
// nginx's handlers, further down on the stack, continue with the request after they have called ours. It comes in the
// same round of the event loop, so that the memory which is freed serves the next request.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// A place in the queue; null pointers outside. Plain, so that offsetof is defined for it.
struct ReleaseLink {
  ngx_queue_t release_link;
};

class ReleaseQueue {
 public:
  using Release = void (*)(ReleaseLink& link) noexcept;

  ReleaseQueue(Release release, ngx_log_t* log) noexcept;
  ~ReleaseQueue();
  ReleaseQueue(const ReleaseQueue&) = delete;
  ReleaseQueue& operator=(const ReleaseQueue&) = delete;

  // Only outside the queue. `release` is called soon, unless the link is removed before.
  void add(ReleaseLink& link) noexcept;
  void remove(ReleaseLink& link) noexcept;

 private:
  static void on_event(ngx_event_t* event);

  Release release_;
  ngx_event_t event_{};
  ngx_queue_t queue_;
};

}  // namespace pgevents::nginx
