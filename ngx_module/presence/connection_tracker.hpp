// The users who are connected through this worker, as the database gets to know them: those who come, those who leave,
// and from time to time those who stay. The worker reports them under a presence session (SQL: holder) with a lease;
// when the worker is killed, the lease runs out.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/request/access.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class ConnectionTracker {
 public:
  class TrackedUser;

  // `serving`: whether the database can be reached, as far as is known.
  ConnectionTracker(QueryPool& pool, std::function<bool()> serving, ngx_log_t* log);
  ~ConnectionTracker();

  // A request of a named user waits from now on. The result goes into leave(), once.
  TrackedUser& join(const Identity& identity);
  // The request waits no longer. A user who reconnects within `linger` milliseconds, as with the next long poll, has
  // not left.
  void leave(TrackedUser& user, ngx_msec_t linger) noexcept;

  // Called once a second: reports what is due and renews the lease.
  void each_second();

  // The worker shuts down: closes the presence session, and with it all its connections.
  void shut_down();

 private:
  using Key = std::pair<std::string, std::string>;  // realm, user
  using All = std::map<Key, TrackedUser>;
  using Schedule = std::multimap<ngx_msec_t, TrackedUser*>;

  static void on_flush(ngx_event_t* event);

  void schedule(TrackedUser& user, ngx_msec_t at) noexcept;
  void unschedule(TrackedUser& user) noexcept;
  void flush_soon() noexcept;
  void flush();
  bool anything_due() const noexcept;
  std::string take_due();
  void open_session();
  void opened(const QueryResult& result);
  void send(const std::string& contacts);
  void answered(const QueryResult& result);
  bool take_intervals(const QueryResult& result) noexcept;
  void settle_all(bool written) noexcept;
  void settle(TrackedUser& user, bool written) noexcept;
  void forget_session() noexcept;
  void close_session();

  QueryPool& pool_;
  std::function<bool()> serving_;
  All all_;
  Schedule schedule_;               // all users but those of the batch under way
  std::vector<TrackedUser*> sent_;  // that batch
  QueryHandle query_;               // one statement at a time
  std::string session_;             // the presence session; empty: none is open
  ngx_msec_t report_ms_;            // how often those who stay are reported; the database decides
  ngx_msec_t renew_ms_;             // how often the lease must be renewed; the database decides
  ngx_msec_t renewed_at_ = 0;
  ngx_event_t flush_{};
  bool shutting_down_ = false;
};

// A user who is, or just was, connected through this worker.
class ConnectionTracker::TrackedUser {
  friend class ConnectionTracker;

  All::iterator self_;
  unsigned requests_ = 0;        // that wait
  bool reported_ = false;        // the database may have the user as connected through this worker
  bool sent_ = false;            // in the batch under way
  ngx_msec_t report_at_ = 0;     // if reported: when to report again
  ngx_msec_t linger_until_ = 0;  // without requests: the user counts as connected until then
  // When to report or forget the user. While the user is not in the schedule, `spare_` keeps the node, so that
  // scheduling needs no memory.
  Schedule::iterator turn_;
  Schedule::node_type spare_;
};

}  // namespace pgevents::nginx
