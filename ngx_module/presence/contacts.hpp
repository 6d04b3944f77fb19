// Who is connected through this worker, as the database is told it: those who come, those who have left, and now and then all who are
// still there. The worker is a holder with a lease; when it is killed, the lease runs out.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/request/access.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class Contacts {
 public:
  class Contact;

  // `serving`: whether the database can be reached, as far as is known.
  Contacts(QueryPool& pool, std::function<bool()> serving, ngx_log_t* log);
  ~Contacts();

  // A request of a named user waits from now on. The result goes into leave(), once.
  Contact& join(const Identity& who);
  // It waits no longer. Whoever comes back within `linger` milliseconds has not left: with the next long poll, or the next poll.
  void leave(Contact& contact, ngx_msec_t linger) noexcept;

  // Once a second: tells what is due, renews the lease.
  void each_second();

  // The worker leaves, and with it all that it holds.
  void shut_down();

 private:
  using Key = std::pair<std::string, std::string>;  // realm, user
  using All = std::map<Key, Contact>;
  using Schedule = std::multimap<ngx_msec_t, Contact*>;

  static void on_flush(ngx_event_t* event);

  void schedule(Contact& contact, ngx_msec_t at) noexcept;
  void unschedule(Contact& contact) noexcept;
  void flush_soon() noexcept;
  void flush();
  bool anything_due() const noexcept;
  std::string take_due();
  void open_holder();
  void send(const std::string& contacts);
  void answered(const QueryResult& result);
  void settle_all(bool written) noexcept;
  void settle(Contact& contact, bool written) noexcept;
  void forget_holder() noexcept;
  void close_holder();
  void query(Statement statement, std::function<void(const QueryResult&)> done);

  QueryPool& pool_;
  std::function<bool()> serving_;
  All all_;
  Schedule schedule_;             // all but those that are sent
  std::vector<Contact*> sent_;    // the batch that is under way
  std::shared_ptr<Query> query_;  // null: nothing is under way
  std::string holder_;            // empty: none has been opened
  ngx_msec_t report_ms_;          // how often those who stay are told; the database says it
  ngx_msec_t renew_ms_;           // how often it wants to hear at all
  ngx_msec_t renewed_at_ = 0;
  ngx_event_t flush_{};
  bool leaving_ = false;
};

// A user who is, or just was, connected through this worker.
class Contacts::Contact {
  friend class Contacts;

  All::iterator self;
  unsigned requests = 0;        // that wait
  bool told = false;            // the database may have him as connected through this worker
  bool sent = false;            // in the batch that is under way
  ngx_msec_t report_at = 0;     // where told: when he is told again
  ngx_msec_t linger_until = 0;  // without requests: he has left only then
  // When something is to be told of him, or he is to be forgotten. Outside the schedule, `spare` holds the place in it, so that
  // leaving needs no memory.
  Schedule::iterator turn;
  Schedule::node_type spare;
};

}  // namespace pgevents::nginx
