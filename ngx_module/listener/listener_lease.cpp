// Which worker listens: the lease in shared memory; see listener.hpp.
#include "ngx_module/listener/listener.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kTick = 250;
constexpr std::int64_t kLeaseTtl = 3'000;

}  // namespace

void Listener::start() {
  look();
  ngx_add_timer(&tick_, kTick);
}

void Listener::stop() noexcept {
  stop_timer(tick_);
  if (owner_) {
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" releases the lease", &conf_.name);
  }
  lose_lease();
  root_.lease.release(self_);
}

void Listener::on_tick(ngx_event_t* event) {
  auto* self = static_cast<Listener*>(event->data);
  guarded(self->log_, [self] { self->look(); });
  ngx_add_timer(event, kTick);
}

void Listener::look() {
  if (keep_lease() && connection_.closed() && static_cast<ngx_msec_int_t>(ngx_current_msec - retry_at_) >= 0) {
    connect();
  }
}

// Renews the lease, or takes it if it is free. A worker that has lost the lease starts afresh even if it can have it
// again: its answers may be older than what another listener did meanwhile.
bool Listener::keep_lease() {
  const auto now = static_cast<std::int64_t>(ngx_current_msec);
  if (owner_ && !root_.lease.renew(self_, now, kLeaseTtl)) {
    service_log_.lost_lease();
    lose_lease();
  }
  const std::uint64_t owner = root_.lease.owner.load();
  const std::int64_t until = root_.lease.until_ms.load();
  if (!owner_ && root_.lease.try_acquire(self_, now, kLeaseTtl)) {
    service_log_.took_lease(owner, until, now);
    take_lease();
  }
  return owner_;
}

void Listener::take_lease() {
  owner_ = true;
  backoff_ = 0;
  retry_at_ = ngx_current_msec;
  pruner_.start();
  const std::uint64_t before = root_.last_listener.exchange(self_);
  if (before != 0 && before != self_) {
    metrics_.add(Metric::kListenerTakeovers);
  }
}

void Listener::lose_lease() noexcept {
  owner_ = false;
  stop_timer(sweep_);
  stop_timer(read_);
  sequencer_.stop();
  pruner_.stop();
  probe_.cancel();
  connection_.close();
}

// Only the owner of the lease may change this flag: a worker that lost the lease unnoticed must not overwrite what the
// new listener reports. (The new one changes it under the same lock.) False if this worker does not own it.
bool Listener::set_connected(bool connected) noexcept {
  const ZoneLock lock(conf_.zone);
  if (!owner_ || !root_.lease.owned_by(self_)) {
    return false;
  }
  root_.connected.store(connected ? 1 : 0);
  wake_();
  return true;
}

}  // namespace pgevents::nginx
