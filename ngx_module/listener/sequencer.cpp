// Sequencing on the listener's connection; see sequencer.hpp.
#include "ngx_module/listener/sequencer.hpp"

#include <string>
#include <utility>

#include "postgres/result.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using postgres::Rows;
using postgres::Statement;
using sql::RoundColumn;
using sql::VersionColumn;

}  // namespace

Sequencer::Sequencer(const DatabaseConf& conf, Metrics& metrics, ngx_log_t* log, std::function<void()> due)
    : conf_(conf), metrics_(metrics), log_(log), due_(std::move(due)) {
  init_timer(timer_, this, &Sequencer::on_timer, log);
}

void Sequencer::start(int schema_version) {
  plan_.begin(conf_.primary == nullptr ? schema_version : 0, now());
  show();
}

void Sequencer::stop() noexcept {
  stop_timer(timer_);
  plan_ = {};
  show();
}

void Sequencer::on_timer(ngx_event_t* event) {
  static_cast<Sequencer*>(event->data)->due_();
}

std::optional<Statement> Sequencer::next() {
  stop_timer(timer_);
  if (conf_.primary != nullptr) {
    return std::nullopt;
  }
  moved_ = rejected_ = false;
  action_ = plan_.next(now());
  switch (action_) {
    case Action::kNone:
      if (const auto wait = plan_.wait(now())) {
        ngx_add_timer(&timer_, static_cast<ngx_msec_t>(*wait));
      }
      return std::nullopt;
    case Action::kAskVersion:
      return Statement{sql::kSchemaVersion, {"listener"}};
    case Action::kReady:
      return Statement{sql::kSequencerReady, {}};
    case Action::kAskWaiting:
      return Statement{sql::kPublishersWaiting, {}};
    case Action::kBegin:
    case Action::kRenew:
      return Statement{sql::kSequencerBegin, {}};
    case Action::kEnd:
      return Statement{sql::kSequencerEnd, {}};
    case Action::kSequence:
      return Statement{sql::kSequence, {sql::kSequenceRows}};
  }
  return std::nullopt;
}

void Sequencer::take(const PGresult* result) {
  if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
    return take_row(result);
  }
  const postgres::SqlError error = postgres::error_of(result);
  rejected_ = true;
  rejection_.assign(Printable(error.message).c_str()).append(postgres::advice(error.sqlstate));
}

// What a round could not do is not lost: the events stay in the table `ready`, and publishers, who no longer leave, try
// it themselves. So the listener goes on reading.
Sequencer::Then Sequencer::answered() noexcept {
  const bool lives = !rejected_ || plan_.take_rejected(now());
  if (std::exchange(rejected_, false)) {
    log_rejection();
  }
  show();
  if (!lives) {
    return Then::kClose;
  }
  return moved_ ? Then::kRead : Then::kGoOn;
}

void Sequencer::take_row(const PGresult* rows) {
  switch (action_) {
    case Action::kAskVersion:
      return plan_.take_version(Rows<VersionColumn>(rows).front().number<int>(VersionColumn::kVersion), now());
    case Action::kReady:
      return plan_.take_ready();
    case Action::kAskWaiting:
      return plan_.take_waiting(postgres::number_in<int>(PQgetvalue(rows, 0, 0)));
    case Action::kBegin:
    case Action::kRenew:
      return plan_.take_begun(*PQgetvalue(rows, 0, 0) == 't', now());
    case Action::kEnd:
      return plan_.take_ended(now());
    case Action::kSequence:
      return take_round(rows);
    case Action::kNone:
      return;
  }
}

void Sequencer::take_round(const PGresult* rows) {
  const auto row = Rows<RoundColumn>(rows).front();
  const postgres::SequencingPlan::Round round{
      row.number<int>(RoundColumn::kEvents), row.number<int>(RoundColumn::kTurns),
      row.is_true(RoundColumn::kIsMore),     row.is_true(RoundColumn::kIsSettled),
      row.is_true(RoundColumn::kIsBusy),     row.is_true(RoundColumn::kIsSequenced)};
  plan_.take_round(round, now());
  moved_ = round.events > 0;
  if (moved_) {
    metrics_.add(Metric::kSequenceRounds);
    metrics_.add_many(static_cast<std::uint64_t>(round.events), Metric::kSequencedEvents);
  }
}

void Sequencer::log_rejection() noexcept {
  if (rejected_log_.pass(now())) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: cannot give ids to the events that publishers of \"%V\" left: %s%s",
                  &conf_.name, rejection_.c_str(), rejected_log_.note());
  }
}

void Sequencer::show() noexcept {
  metrics_.set(plan_.can_sequence() ? 1 : 0, Metric::kSequencerAble);
  metrics_.set(plan_.loops() ? 1 : 0, Metric::kSequencerActive);
  if (std::exchange(looped_, plan_.loops()) != plan_.loops()) {
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: listener of \"%V\" %s giving ids to what publishers leave",
                   &conf_.name, plan_.loops() ? "begins" : "ends");
  }
}

}  // namespace pgevents::nginx
