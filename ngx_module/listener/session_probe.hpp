// Finds out whether the listener's session is its own. A pooler that gives the session to others between two statements
// (pgbouncer in transaction mode) swallows notifications. So behind any pooler the session must show that a NOTIFY from
// another session arrives while it is idle. (One of its own would arrive before its statement ends, when the pooler has
// not let go yet.)
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class SessionProbe {
 public:
  explicit SessionProbe(QueryPool& pool) : pool_(pool) {}

  // The answer to sql::kBackend. `server_pid`: the one that the connection was promised.
  void take_backend(const PGresult* result, int server_pid) noexcept;
  // Whether a pooler is in between, as far as process ids show it.
  bool pooled() const noexcept { return pooled_; }
  // Process id of the session itself; 0 if it is not known.
  int backend() const noexcept { return backend_; }

  // Statements for a channel with a random name. Each is valid until the next one is made.
  Statement listen();
  Statement unlisten();
  // Sends a NOTIFY to that channel by a connection of the pool.
  void notify();
  bool is_proof(std::string_view channel) const noexcept { return channel == channel_; }

  void cancel() noexcept { notification_.cancel(); }

 private:
  QueryPool& pool_;
  QueryHandle notification_;
  std::string channel_;
  std::string text_;  // of the statement
  bool pooled_ = false;
  int backend_ = 0;
};

}  // namespace pgevents::nginx
