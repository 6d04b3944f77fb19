// The listener's part in what the status shows of a copy: asks on the listener's connection, at most once in an
// interval, whether the database is a copy and whether its subscription runs. The listener calls it when it has read
// the log to its end.
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <optional>

#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/zone/zone.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

class CopyState {
 public:
  CopyState(const DatabaseConf& conf, SharedRoot& root, ngx_log_t* log) : conf_(conf), root_(root), log_(log) {}

  // A new connection, with a schema of this version.
  void start(int schema_version) noexcept;

  // The statement to send now, if it is time for it.
  std::optional<postgres::Statement> next() noexcept;
  // A result of it. An error is logged, and the state is not known then: the listener goes on.
  void take(const PGresult* result) noexcept;

 private:
  const DatabaseConf& conf_;
  SharedRoot& root_;
  ngx_log_t* log_;
  bool is_known_to_schema_ = false;
  std::optional<ngx_msec_t> asked_at_;
  RepeatLimit rejected_log_{60'000};
};

}  // namespace pgevents::nginx
