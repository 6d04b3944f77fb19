// See lookup.hpp.
#include "ngx_module/postgres/lookup.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <atomic>
#include <csignal>

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

// The thread inherits a mask that blocks every signal: nginx's handlers run in the worker's own thread.
int start_detached(void* (*body)(void*), void* argument) noexcept {
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) {
    return error;
  }
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread{};
  const int error = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

// Until `done` only the thread touches `answers`, afterwards only the worker.
struct Lookup::Task {
  ~Task() {
    if (fd != -1) {
      ::close(fd);
    }
  }
  int fd = -1;
  std::vector<std::string> names;
  std::vector<postgres::HostAnswer> answers;  // one for each name
  std::atomic<bool> done{false};
};

// Calls nothing of nginx, and nothing that throws: see HostAnswer.
void* Lookup::run(void* argument) noexcept {
  const std::unique_ptr<std::shared_ptr<Task>> owned(static_cast<std::shared_ptr<Task>*>(argument));
  Task& task = **owned;
  for (std::size_t i = 0; i < task.names.size(); ++i) {
    task.answers[i].look_up(task.names[i].c_str());
  }
  task.done.store(true, std::memory_order_release);
  eventfd_write(task.fd, 1);
  return nullptr;
}

const char* Lookup::start(std::vector<std::string> names) {
  cancel();
  auto task = std::make_shared<Task>();
  task->names = std::move(names);
  task->answers.resize(task->names.size());
  task->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (task->fd == -1) {
    return "no descriptor is free for the lookup of the host";
  }
  auto argument = std::make_unique<std::shared_ptr<Task>>(task);
  task_ = std::move(task);
  if (!watch()) {
    cancel();
    return "no connection slot is free for the lookup of the host; raise worker_connections";
  }
  keep_module_loaded();
  if (start_detached(&Lookup::run, argument.get()) != 0) {
    cancel();
    return "no thread can be started for the lookup of the host";
  }
  argument.release();  // NOLINT(bugprone-unused-return-value): the thread owns it
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
  if (self->task_->done.load(std::memory_order_acquire)) {
    self->owner_.lookup_done();
  }
}

postgres::Addresses Lookup::take() {
  const std::shared_ptr<Task> task = task_;
  cancel();
  postgres::Addresses addresses;
  for (std::size_t i = 0; i < task->names.size(); ++i) {
    addresses.push_back(task->answers[i].addresses_of(task->names[i]));
  }
  return addresses;
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
