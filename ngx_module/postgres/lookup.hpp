// One lookup of host names in a thread of its own (postgres::LookupTask), whose end is an event of the worker.
#pragma once

#include "ngx_module/nginx.hpp"

#include <memory>
#include <string>
#include <vector>

#include "postgres/hosts.hpp"

namespace pgevents::nginx {

class Lookup {
 public:
  // Gets a call in the event loop when the answer is there.
  class Owner {
   public:
    virtual void lookup_done() noexcept = 0;

   protected:
    ~Owner() = default;
  };

  Lookup(Owner& owner, ngx_log_t* log) : owner_(owner), log_(log) {}
  ~Lookup() { cancel(); }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // Only in a worker. Null if the thread was started, otherwise why not. Throws if memory is refused.
  const char* start(std::vector<std::string> names);
  bool running() const noexcept { return task_ != nullptr; }
  // The answer, once, in lookup_done(): an entry for each name. If memory is refused, throws, and the answer is lost.
  postgres::Addresses take();
  // The thread goes on until getaddrinfo() returns, and is then gone.
  void cancel() noexcept;

 private:
  struct Task;

  static void on_done(ngx_event_t* event);
  bool watch();

  Owner& owner_;
  ngx_log_t* log_;
  std::shared_ptr<Task> task_;
  ngx_connection_t* connection_ = nullptr;  // watches the task's eventfd
};

}  // namespace pgevents::nginx
