// An event stream that continues without its request (`pgevents_release_request`); see subscriber.hpp and
// detached_connection.hpp.
#include "ngx_module/delivery/subscriber.hpp"

#include <utility>

#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/http/detached_connection.hpp"

namespace pgevents::nginx {

void Subscriber::own(ngx_pool_cleanup_t* cleanup) noexcept {
  cleanup->data = this;
  cleanup->handler = [](void* data) { delete static_cast<Subscriber*>(data); };
  owner_ = cleanup;
}

// Only a stream whose header is out, and whose request no other module uses; else nothing happens. Called by
// ReleaseQueue.
void Subscriber::release_request() noexcept {
  if (r_ == nullptr || !writer_.direct() || writer_.blocked() || !can_detach(r_, owner_, &Subscriber::on_request_end)) {
    return;
  }
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(c_->pool, 0);
  if (cleanup == nullptr) {
    return;
  }
  owner_->handler = nullptr;
  r_->cleanup->handler = nullptr;
  own(cleanup);
  writer_.leave_request();
  record(true);
  context_.metrics.subtract(Metric::kSubscribers, kind());
  detach(std::exchange(r_, nullptr));
  context_.metrics.add(Metric::kSubscribers, kind());
  c_->data = this;
  c_->read->handler = &Subscriber::on_detached_read;
  c_->write->handler = &Subscriber::on_detached_write;
  ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log(), 0, "pgevents: request released");
}

// What the client of a stream sends is not read: no further request is expected. nginx also calls this when a worker
// has to exit (worker_shutdown_timeout).
void Subscriber::on_detached_read(ngx_event_t* rev) {
  auto* c = static_cast<ngx_connection_t*>(rev->data);
  auto* self = static_cast<Subscriber*>(c->data);
  if (self->is_web_socket()) {
    return self->read();
  }
  if (rev->pending_eof || rev->error || c->error || c->close) {
    self->finish(self->broken(), NGX_HTTP_CLIENT_CLOSED_REQUEST);
  }
}

void Subscriber::on_detached_write(ngx_event_t* wev) {
  auto* c = static_cast<ngx_connection_t*>(wev->data);
  static_cast<Subscriber*>(c->data)->write_on();
}

}  // namespace pgevents::nginx
