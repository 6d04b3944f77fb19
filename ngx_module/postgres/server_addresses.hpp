// Where the connections to one database go: the hosts of its connection string, with their addresses of the moment. One
// for each database in a worker; the listener and the pool share it, so that many connections that open at once need
// one lookup.
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <string>
#include <vector>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/lookup.hpp"
#include "postgres/hosts.hpp"

namespace pgevents::nginx {

class ServerAddresses final : private Lookup::Owner {
 public:
  // A connection that waits for a lookup. It must be forgotten before it is destroyed.
  class Waiter {
   public:
    virtual void addresses_found(bool any) noexcept = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class ServerAddresses;
    struct Link {
      ngx_queue_t queue;
      Waiter* waiter;  // null: it does not wait
    };
    Link link_{};
  };
  enum class Found { kNow, kLater, kNever };

  ServerAddresses(const DatabaseConf& conf, ngx_log_t* log);
  ~ServerAddresses();
  ServerAddresses(const ServerAddresses&) = delete;
  ServerAddresses& operator=(const ServerAddresses&) = delete;

  // Looks the names up unless that was done a moment ago. kLater: the waiter gets addresses_found(), within some
  // seconds. Names that are not found keep their last addresses; kNever: there are none.
  Found find(Waiter& waiter) noexcept;
  void forget(Waiter& waiter) noexcept;
  // Why there are none.
  const char* why() const noexcept;

  // Starts a connection (PQconnectStartParams) that tries all addresses in order. Throws if memory is refused.
  PGconn* connect() const;
  // How long that may take.
  ngx_msec_t connect_timeout() const noexcept { return connect_timeout_; }
  // The address that `connection` tries did not answer: the next connection tries it last.
  void timed_out(const PGconn* connection) noexcept;
  void connected(const PGconn* connection) noexcept;

  // The process exits: no lookup is waited for.
  void close() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  void lookup_done() noexcept override;
  bool usable() const noexcept;
  bool overdue() const noexcept;
  Found without_lookup(const char* why) noexcept;
  bool start() noexcept;
  void merge(postgres::NameAddresses& answer);
  void not_found(const std::string& name, const std::string& error);
  void settle() noexcept;

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  Lookup lookup_;
  postgres::Addresses known_;      // an entry for each name; the last addresses that were found
  std::vector<std::string> last_;  // addresses that did not answer, the latest at the end
  std::string why_;
  ngx_queue_t waiting_{};
  ngx_event_t timer_{};
  ngx_msec_t connect_timeout_;
  ngx_msec_t started_at_ = 0;
  ngx_msec_t answered_at_;
  ngx_msec_t warned_at_ = 0;
  bool failing_ = false;  // a name was not found when it was last looked up
};

}  // namespace pgevents::nginx
