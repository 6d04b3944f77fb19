// Where the connections to one database go: the hosts of its connection string, with their addresses of the moment. One
// for each database in a worker; the listener and the pool share it, so that many connections that open at once need
// one lookup.
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <random>
#include <string>
#include <vector>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/lookup.hpp"
#include "ngx_module/postgres/resolver_lookup.hpp"
#include "postgres/hosts.hpp"
#include "postgres/places.hpp"

namespace pgevents::nginx {

class ServerAddresses final : private Lookup::Owner, private ResolverLookup::Owner {
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

  // An attempt to connect goes from place to place: begin(), then next() and connect() until one connection is good.
  // These throw if memory is refused. next(): false if there is no further place.
  void begin(postgres::Attempt& attempt);
  bool next(postgres::Attempt& attempt) const;
  // Starts a connection (PQconnectStartParams) to the attempt's place.
  PGconn* connect(const postgres::Attempt& attempt) const;
  // What became of it: a place that failed is tried last for a while.
  void failed(const postgres::Attempt& attempt, postgres::PlaceMemory::Failure failure, const char* why) noexcept;
  void connected(const postgres::Attempt& attempt) noexcept;

  // The process exits: no lookup is waited for.
  void close() noexcept;

 private:
  static void on_timer(ngx_event_t* event);

  void resolver_done() noexcept override;
  void lookup_done() noexcept override;
  bool looking_up() const noexcept { return resolver_lookup_.running() || lookup_.running(); }
  const char* look_up_by_system(std::vector<std::string> names) noexcept;
  void answered(bool all) noexcept;
  bool usable() const noexcept;
  ngx_msec_t patience() const noexcept;
  bool overdue() const noexcept;
  Found without_lookup(const char* why) noexcept;
  bool start() noexcept;
  void merge(postgres::NameAddresses& answer);
  void share(const postgres::NameAddresses& name);
  void take_shared();
  std::uint64_t hash_of(const postgres::Place& place) const;
  void share_failure(const postgres::Place& place, std::int64_t at);
  void take_shared_failure(const postgres::Place& place);
  void not_found(const std::string& name, const std::string& error);
  void settle() noexcept;

  const DatabaseConf& conf_;
  ngx_log_t* log_;
  ResolverLookup resolver_lookup_;
  Lookup lookup_;  // of the names that the resolver did not find, or of all
  const postgres::PlaceRules rules_;
  const std::string session_attrs_;  // `target_session_attrs`: a place that fails with one value may serve another
  postgres::Addresses known_;        // an entry for each name; the last addresses that were found
  postgres::Addresses missing_;      // what nginx's resolver did not find in this lookup
  postgres::PlaceMemory memory_;
  std::minstd_rand random_;
  std::string why_;
  ngx_queue_t waiting_{};
  ngx_event_t timer_{};
  ngx_msec_t started_at_ = 0;
  ngx_msec_t answered_at_;
  ngx_msec_t warned_at_ = 0;
  bool failing_ = false;  // a name was not found when it was last looked up
};

}  // namespace pgevents::nginx
