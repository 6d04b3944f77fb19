// See lookup.hpp.
#include "ngx_module/postgres/lookup.hpp"

#include <dlfcn.h>
#include <sys/eventfd.h>

#include <utility>

#include "postgres/lookup_task.hpp"

namespace pgevents::nginx {
namespace {

// nginx unloads the module at a worker's exit, while a thread may still be in it. The module stays if it has been
// opened once more.
void keep_module_loaded() noexcept {
  static bool done = false;
  Dl_info info;
  if (!done && dladdr(&ngx_http_pgevents_module, &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  }
  done = true;
}

}  // namespace

struct Lookup::Task final : postgres::LookupTask {
  using LookupTask::LookupTask;
  ~Task() override {
    if (fd != -1) {
      ::close(fd);
    }
  }
  void announce() noexcept override { eventfd_write(fd, 1); }

  int fd = -1;
};

const char* Lookup::start(std::vector<std::string> names) {
  cancel();
  auto task = std::make_shared<Task>(std::move(names));
  task->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (task->fd == -1) {
    return "no descriptor is free for the lookup of the host";
  }
  task_ = std::move(task);
  if (!watch()) {
    cancel();
    return "no connection slot is free for the lookup of the host; raise worker_connections";
  }
  keep_module_loaded();
  if (!postgres::LookupTask::start(task_)) {
    cancel();
    return "no thread can be started for the lookup of the host";
  }
  return nullptr;
}

bool Lookup::watch() {
  connection_ = ngx_get_connection(task_->fd, log_);
  if (connection_ == nullptr) {
    return false;
  }
  connection_->data = this;
  connection_->log = log_;
  connection_->read->handler = &Lookup::on_done;
  connection_->read->log = log_;
  connection_->write->log = log_;
  return ngx_add_event(connection_->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) == NGX_OK;
}

void Lookup::on_done(ngx_event_t* event) {
  auto* self = static_cast<Lookup*>(static_cast<ngx_connection_t*>(event->data)->data);
  if (self->task_->done()) {
    self->owner_.lookup_done();
  }
}

postgres::Addresses Lookup::take() {
  const std::shared_ptr<Task> task = task_;
  cancel();
  return task->addresses();
}

void Lookup::cancel() noexcept {
  if (connection_ != nullptr) {
    if (connection_->read->posted) {
      ngx_delete_posted_event(connection_->read);
    }
    if (connection_->read->active) {
      ngx_del_event(connection_->read, NGX_READ_EVENT, 0);
    }
    connection_->fd = static_cast<ngx_socket_t>(-1);  // the task owns it
    ngx_free_connection(connection_);
    connection_ = nullptr;
  }
  task_.reset();
}

}  // namespace pgevents::nginx
