// The listener's part in giving ids to the events that publishers have left: sends what SequencingPlan decides, on the
// listener's connection, and takes the answers. The listener calls it when it has read the log to its end.
//
// On a copy, whose primary gives the ids, it has nothing to do: publishers do not notify there.
//
// If the connection is lost, or the worker ends, the session's locks are free at once: nothing needs to be sent before.
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/metrics/metrics.hpp"
#include "core/text/repeat_limit.hpp"
#include "ngx_module/conf/conf.hpp"
#include "postgres/sequencing_plan.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

class Sequencer {
 public:
  // `due` is called when next() may have a statement. It throws nothing.
  Sequencer(const DatabaseConf& conf, Metrics& metrics, ngx_log_t* log, std::function<void()> due);
  ~Sequencer() { stop(); }
  Sequencer(const Sequencer&) = delete;
  Sequencer& operator=(const Sequencer&) = delete;

  // The connection is ready, with a schema of this version; or it is closed.
  void start(int schema_version);
  void stop() noexcept;

  void notified(std::string_view payload) noexcept { plan_.notified(payload, now()); }
  void swept() noexcept { plan_.swept(now()); }

  // The statement to send now, if any; otherwise `due` is called when it is time for one.
  std::optional<postgres::Statement> next();
  // A result of it: rows, or an error.
  void take(const PGresult* result);
  // It is answered. kRead: the log has grown. kClose: the connection must be closed.
  enum class Then { kGoOn, kRead, kClose };
  Then answered() noexcept;
  bool loops() const noexcept { return plan_.loops(); }

 private:
  using Action = postgres::SequencingPlan::Action;

  static void on_timer(ngx_event_t* event);

  static std::int64_t now() noexcept { return static_cast<std::int64_t>(ngx_current_msec); }
  void take_row(const PGresult* rows);
  void take_round(const PGresult* rows);
  void log_rejection() noexcept;
  void show() noexcept;

  const DatabaseConf& conf_;
  Metrics& metrics_;
  ngx_log_t* log_;
  const std::function<void()> due_;
  postgres::SequencingPlan plan_;
  Action action_ = Action::kNone;  // of the statement under way
  bool moved_ = false;             // it has given ids
  bool rejected_ = false;          // it failed; `rejection_`: why
  std::string rejection_;
  bool looped_ = false;  // as the metrics and the log have it
  ngx_event_t timer_{};
  RepeatLimit rejected_log_{60'000};
};

}  // namespace pgevents::nginx
