// From the log into the ring: where reading begins, the rows of each page, the revocations, control events. The
// listener asks the database; this class says what to ask and takes the answers.
//
// A worker may lose the lease at any moment without noticing, for example while it is stopped. So every change of
// shared memory asks for the lease under the zone's lock, and an answer that comes too late has no effect
// (tests/model/lease.pml).
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "core/metrics/metrics.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

class RingWriter {
 public:
  // `self`: this worker as owner of the lease; `wake` makes all workers look at the ring.
  RingWriter(const DatabaseConf& conf, SharedRoot& root, Ring& ring, SharedRevocations& revocations, std::uint64_t self,
             const std::function<void()>& wake, Metrics& metrics, ngx_log_t* log)
      : conf_(conf),
        root_(root),
        ring_(ring),
        revocations_(revocations),
        self_(self),
        wake_(wake),
        metrics_(metrics),
        log_(log) {}

  // A new connection: the listener before this one may have appended and died before it woke anyone.
  void begin() noexcept { grown_ = true; }

  // Asks where the log stands, relative to the ring's newest event.
  postgres::Statement position_statement();
  void take_position(const PGresult* result);
  void take_revocations(const PGresult* rows);

  // Asks for the next page behind the ring's newest event, by the prepared statement sql::kLogAfter.
  postgres::Statement page_statement();
  // Appends the page's next row. False if memory for it is refused: the rest of the page is ignored, and must be read
  // again.
  bool take_event(const PGresult* row);
  // Whether more may wait in the log behind the page just read.
  bool page_was_full() const noexcept;
  int page_rows() const noexcept { return rows_; }
  // How many events it has appended since this process began.
  std::uint64_t appended() const noexcept { return appended_; }
  // The log was read to its end.
  void note_end() noexcept;

  // Wakes the workers if the ring has grown since the last time.
  void announce() noexcept;

 private:
  void note_control(const EventView& event);
  void begin_anew(const Ring::Snapshot& before, std::uint64_t after);
  void count(const EventView& event) noexcept;

  const DatabaseConf& conf_;
  SharedRoot& root_;
  Ring& ring_;
  SharedRevocations& revocations_;
  const std::uint64_t self_;
  const std::function<void()>& wake_;
  Metrics& metrics_;
  ngx_log_t* log_;
  bool grown_ = false;           // rows were appended since the last wake
  std::size_t unannounced_ = 0;  // bytes of event data since then
  std::uint64_t appended_ = 0;
  int rows_ = 0;             // of the page that is being read
  std::uint64_t base_ = 0;   // the cursor behind which that page was asked for
  std::uint64_t epoch_ = 0;  // the ring's epoch at that time
  std::uint64_t head_ = 0;   // newest id of the log when the position was taken; the revocations cover it
};

}  // namespace pgevents::nginx
