// Looks after the primary of a database that is a copy, where no listener of this nginx does. In the worker that owns
// the listener's lease; called once a second.
#pragma once

#include "ngx_module/nginx.hpp"

#include <optional>

#include "core/metrics/metrics.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/postgres/query_pool.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

// Each `interval` it gives ids to what publishers have left, because a listener of the primary may have died with some,
// and no other may be left, and asks how far the copy is behind. So it also notices that the primary is away, and then
// tries to connect each second: requests and ticks need not find out.
class PrimaryWatch {
 public:
  // `pool`: of the primary.
  PrimaryWatch(QueryPool& pool, SharedRoot& root, const Ring& ring, Metrics& metrics, ngx_msec_t interval,
               ngx_log_t* log)
      : pool_(pool), root_(root), ring_(ring), metrics_(metrics), interval_(interval), log_(log) {}

  // `owner`: this worker owns the lease.
  void each_second(bool owner);

 private:
  void note_return() noexcept;
  void ask();
  void answered(const QueryResult& result);
  void ask_lag();
  void lag_answered(const QueryResult& result) noexcept;

  QueryPool& pool_;
  SharedRoot& root_;
  const Ring& ring_;
  Metrics& metrics_;
  const ngx_msec_t interval_;
  ngx_log_t* log_;
  QueryHandle query_;
  QueryHandle lag_query_;
  std::optional<ngx_msec_t> asked_at_;
  std::optional<ngx_msec_t> away_since_;
  RepeatLimit back_log_{60'000};
};

}  // namespace pgevents::nginx
