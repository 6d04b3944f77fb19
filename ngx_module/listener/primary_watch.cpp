// See primary_watch.hpp.
#include "ngx_module/listener/primary_watch.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using sql::CopyLagColumn;
using sql::RoundColumn;

constexpr ngx_msec_t kRetry = 1'000;  // while the primary is away

}  // namespace

void PrimaryWatch::each_second(bool owner) {
  note_return();
  if (!owner || query_.pending()) {
    return;
  }
  const ngx_msec_t pause = pool_.away() ? kRetry : interval_;
  if (!asked_at_ || ngx_current_msec - *asked_at_ >= pause) {
    ask();
    ask_lag();
  }
}

// The pool has logged why it could not connect.
void PrimaryWatch::note_return() noexcept {
  if (pool_.away()) {
    away_since_ = away_since_.value_or(ngx_current_msec);
  } else if (const auto since = std::exchange(away_since_, std::nullopt);
             since && back_log_.pass(static_cast<std::int64_t>(ngx_current_msec))) {
    ngx_log_error(NGX_LOG_ERR, log_, 0, "pgevents: database \"%V\" can be reached again after %.1f s%s",
                  &pool_.database(), static_cast<double>(ngx_current_msec - *since) / 1e3, back_log_.note());
  }
}

// Before the pool has connected for the first time, the version of the schema is not known.
void PrimaryWatch::ask() {
  asked_at_ = ngx_current_msec;
  const bool can_sequence = pool_.schema_version() >= sql::kGroupCommitSchema;
  const Statement question =
      can_sequence ? Statement{sql::kSequence, {sql::kSequenceRows}} : Statement{sql::kSchemaVersion, {"pool"}};
  pool_.post(
      question, Lane::kPresence, [this](const QueryResult& result) { answered(result); }, query_);
}

void PrimaryWatch::answered(const QueryResult& result) {
  const postgres::Rows<RoundColumn> rows(result.rows);
  if (result.rows == nullptr || rows.size() != 1 || !rows.has_columns()) {
    return;
  }
  const auto row = rows.front();
  if (const auto events = row.number<std::uint64_t>(RoundColumn::kEvents); events > 0) {
    metrics_.add(Metric::kSequenceRounds);
    metrics_.add_many(events, Metric::kSequencedEvents);
  }
  if (row.is_true(RoundColumn::kIsMore)) {
    ask();
  }
}

// By the id of the newest event here: what is on its way when the primary is asked counts as missing.
void PrimaryWatch::ask_lag() {
  const bool can_ask = !pool_.away() && pool_.schema_version() >= sql::kCopySchema;
  if (!can_ask || root_.connected.load() == 0) {
    root_.copy.lag_ids.store(kUnknownValue);
    root_.copy.lag_ms.store(kUnknownValue);
  } else if (!lag_query_.pending()) {
    const std::uint64_t head = std::max(root_.log_head.load(), ring_.snapshot().last_id);
    pool_.post(
        {sql::kCopyLag, {std::to_string(head)}}, Lane::kPresence,
        [this](const QueryResult& result) { lag_answered(result); }, lag_query_);
  }
}

void PrimaryWatch::lag_answered(const QueryResult& result) noexcept {
  const postgres::Rows<CopyLagColumn> rows(result.rows);
  const bool known = result.rows != nullptr && rows.size() == 1 && rows.has_columns();
  root_.copy.lag_ids.store(known ? rows.front().number<std::uint64_t>(CopyLagColumn::kIds) : kUnknownValue);
  root_.copy.lag_ms.store(known ? rows.front().number<std::uint64_t>(CopyLagColumn::kMs) : kUnknownValue);
}

}  // namespace pgevents::nginx
