// See database_worker.hpp.
#include "ngx_module/database_worker.hpp"

#include <sys/eventfd.h>

#include <utility>

namespace pgevents::nginx {

DatabaseWorker::DatabaseWorker(const DatabaseConf& conf, ngx_cycle_t* cycle)
    : conf_(conf),
      log_(cycle->log),
      root_(*zone_root(conf.zone)),
      self_(owner_word(static_cast<std::uint32_t>(ngx_pid), root_.starts.fetch_add(1) + 1)),
      slot_(root_, self_, conf.name, cycle->log),
      revocations_(root_),
      service_(root_, revocations_, conf.primary != nullptr),
      servers_(conf, cycle->log),
      pool_(conf, root_.troubles.pool, servers_, slot_.metrics(), kDatabaseMetrics, cycle->log),
      primary_(conf.primary == nullptr
                   ? nullptr
                   : std::make_unique<Primary>(*conf.primary, root_.troubles.primary, slot_.metrics(), cycle->log)),
      writing_(primary_ != nullptr ? primary_->pool : pool_),
      listener_(
          conf, root_, ring_, revocations_, {pool_, writing_}, servers_, self_, [this] { wake_all(); }, slot_.metrics(),
          cycle->log),
      publications_(writing_, cycle->log),
      reports_(writing_, cycle->log),
      presence_states_(writing_, cycle->log),
      connection_tracker_(
          writing_, [this] { return primary_ != nullptr || service_.serving(); }, cycle->log),
      ticker_(
          writing_, [this] { return primary_ != nullptr ? !writing_.away() : service_.serving(); },
          [this] { return primary_ != nullptr ? root_.lease.owned_by(self_) : listener_.listening(); }, cycle->log),
      primary_watch_(writing_, root_, ring_, slot_.metrics(), conf.sweep, cycle->log),
      delivery_({ring_, root_, revocations_, service_, pool_, wait_ids_,
                 conf.presence != 0 ? &connection_tracker_ : nullptr, self_, slot_.metrics()},
                cycle->log),
      census_(
          root_, slot_, self_, [this](std::uint64_t hash) { return delivery_.subscribers_of(hash); },
          [this] { wake_all(); }, cycle->log),
      request_context_{writing_, service_, publications_, reports_, presence_states_, slot_.metrics()} {
  init_timer(second_, this, &DatabaseWorker::on_second, log_);
  init_timer(leave_, this, &DatabaseWorker::on_leave, log_);
  leave_.cancelable = 0;
}

DatabaseWorker::~DatabaseWorker() {
  stop_timer(second_);
  stop_timer(leave_);
}

bool DatabaseWorker::attach() noexcept {
  const ZoneLock lock(conf_.zone);
  revocations_.attach();
  return ring_.attach(root_.ring, root_.ring_bytes) && wait_ids_.attach(root_.wait_ids, kWaitIdSlots);
}

bool DatabaseWorker::start() {
  if (!attach()) {
    ngx_log_error(NGX_LOG_EMERG, log_, 0, "pgevents: the shared memory of \"%V\" has another layout", &conf_.name);
    return false;
  }
  delivery_.start();
  census_.start();
  if (!watch_wake_fd()) {
    return false;
  }
  listener_.start();
  if (conf_.presence != 0) {
    ticker_.start();
  }
  ngx_add_timer(&second_, 1000);
  return true;
}

// One eventfd wakes all workers: each watches it edge-triggered and none reads it, so each sees every write. The
// connection object is also how the worker learns that it must leave: nginx closes idle connections by calling their
// read handlers with `close` set.
bool DatabaseWorker::watch_wake_fd() {
  wake_ = ngx_get_connection(root_.wake_fd, log_);
  if (wake_ == nullptr) {
    return false;
  }
  wake_->data = this;
  wake_->idle = 1;
  wake_->read->handler = &DatabaseWorker::on_wake;
  wake_->read->log = log_;
  wake_->log = log_;
  return ngx_add_event(wake_->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) == NGX_OK;
}

void DatabaseWorker::wake_all() noexcept {
  if (eventfd_write(root_.wake_fd, 1) != 0) {
    ngx_log_error(NGX_LOG_ALERT, log_, ngx_errno, "pgevents: eventfd_write() failed");
  }
}

void DatabaseWorker::on_wake(ngx_event_t* event) {
  auto* c = static_cast<ngx_connection_t*>(event->data);
  auto* self = static_cast<DatabaseWorker*>(c->data);
  guarded(self->log_, [c, self] {
    if (c->close) {
      return self->leave_soon();
    }
    self->look();
    self->listener_.look();
  });
}

// serving() is read first: a listener loads the revocations before it serves, so they are obeyed here before a
// subscriber resumes.
void DatabaseWorker::look() {
  const bool serves = service_.serving();
  delivery_.look();
  census_.look();
  if (serves && !was_serving_) {
    pool_.may_connect_again();
    delivery_.retry(true);
  }
  was_serving_ = serves;
}

void DatabaseWorker::on_second(ngx_event_t* event) {
  auto* self = static_cast<DatabaseWorker*>(event->data);
  guarded(self->log_, [self] { self->each_second(); });
  if (!self->service_.leaving()) {
    ngx_add_timer(event, 1000);
  }
}

// Also a net for a write to the eventfd that failed. The slots of killed workers need to be released regularly, because
// nginx does not replace each of them (an old worker after a reload, for example); one worker is enough for that.
void DatabaseWorker::each_second() {
  look();
  if (root_.lease.owned_by(self_)) {
    slot_.release_dead();
  }
  delivery_.retry(was_serving_);
  delivery_.tick();
  pool_.count_slow();
  if (primary_ != nullptr) {
    writing_.count_slow();
    primary_watch_.each_second(root_.lease.owned_by(self_));
  }
  connection_tracker_.each_second();
}

// nginx is in the middle of its list of connections. The HTTP/2 connections later in it must send GOAWAY first:
// otherwise nginx takes them for idle when their streams end, and they keep the worker. The timer also keeps the worker
// from exiting before.
void DatabaseWorker::leave_soon() noexcept {
  if (!service_.leaving()) {
    service_.leave();
    wake_->idle = 0;
    ngx_add_timer(&leave_, 1);
  }
}

void DatabaseWorker::on_leave(ngx_event_t* event) {
  auto* self = static_cast<DatabaseWorker*>(event->data);
  self->shut_down();
}

// Once, when the worker has to leave.
void DatabaseWorker::shut_down() noexcept {
  ngx_log_debug0(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: the worker leaves");
  listener_.stop();
  wake_all();  // another worker may take the listener's lease over
  stop_timer(second_);
  ticker_.stop();
  delivery_.end_all();
  census_.shut_down();
  guarded(log_, [this] { connection_tracker_.shut_down(); });
  pool_.shut_down();
  if (primary_ != nullptr) {
    writing_.shut_down();
  }
  if (wake_->read->posted) {
    ngx_delete_posted_event(wake_->read);
  }
  ngx_del_event(wake_->read, NGX_READ_EVENT, 0);
  wake_->fd = static_cast<ngx_socket_t>(-1);
  ngx_free_connection(wake_);
}

void DatabaseWorker::exit() noexcept {
  listener_.stop();
  pool_.close();
  servers_.close();
  if (primary_ != nullptr) {
    writing_.close();
    primary_->servers.close();
  }
}

}  // namespace pgevents::nginx
