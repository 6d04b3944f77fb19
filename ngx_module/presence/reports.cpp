// See reports.hpp.
#include "ngx_module/presence/reports.hpp"

#include <optional>

#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using ReportRows = postgres::Rows<sql::ReportColumn>;

// A row is an answer, or an error of this report alone.
Answer answer_in(const postgres::Row<sql::ReportColumn>& row) noexcept {
  if (!row.is_null(sql::ReportColumn::kAnswer)) {
    return {row.text(sql::ReportColumn::kAnswer), {}, {}, {}};
  }
  const bool has_state = !row.is_null(sql::ReportColumn::kState);
  return {std::nullopt, has_state ? row.text(sql::ReportColumn::kState) : postgres::kInternalError,
          row.text(sql::ReportColumn::kMessage), row.text(sql::ReportColumn::kDetail)};
}

}  // namespace

bool Reports::add(std::shared_ptr<Report> report) {
  const std::size_t bytes = report->request.size();
  if (waiting_.size() >= kMaxWaiting || waiting_bytes_ + bytes > kMaxWaitingBytes) {
    return false;
  }
  waiting_.push_back(std::move(report));
  waiting_bytes_ += bytes;
  send_next();
  return true;
}

void Reports::take_batch() noexcept {
  std::size_t bytes = 0;
  while (!waiting_.empty() && sent_.size() < kMaxBatch) {
    const std::size_t more = waiting_.front()->request.size();
    if (!sent_.empty() && bytes + more > kMaxBatchBytes) {
      return;
    }
    bytes += more;
    waiting_bytes_ -= more;
    sent_.splice(sent_.end(), waiting_, waiting_.begin());
  }
}

// If memory for a batch is refused, its reports get the answer that the database is not available, and the next batch
// follows.
void Reports::send_next() noexcept {
  while (!busy_ && !waiting_.empty()) {
    busy_ = true;
    take_batch();
    if (!guarded(log_, [this] { send(); })) {
      answered({});
    }
  }
}

void Reports::send() {
  std::string requests;
  for (const auto& report : sent_) {
    requests += requests.empty() ? '[' : ',';
    requests += report->request;
  }
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: %uz presence reports sent", sent_.size());
  pool_.post({sql::kReportPresenceMany, {requests + ']'}}, Lane::kPresence, [this](const QueryResult& result) {
    answered(result);
    send_next();
  });
}

// A client that gets its answer may send the next report at once: it waits for the next batch.
void Reports::answered(const QueryResult& result) noexcept {
  Batch batch;
  batch.swap(sent_);
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: %uz presence reports answered", batch.size());
  const bool whole = result.rows != nullptr && ReportRows(result.rows).size() == static_cast<int>(batch.size());
  int row = 0;
  for (const auto& report : batch) {
    if (report->done) {
      const auto done = std::exchange(report->done, nullptr);
      done(whole ? answer_in(ReportRows(result.rows).at(row)) : answer_of(result));
    }
    ++row;
  }
  busy_ = false;
}

}  // namespace pgevents::nginx
