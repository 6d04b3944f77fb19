// See reports.hpp.
#include "ngx_module/presence/reports.hpp"

#include "core/wire/sql.hpp"

namespace pgevents::nginx {
namespace {

std::optional<std::string_view> field(const PGresult* rows, int row, int column) noexcept {
  if (PQgetisnull(rows, row, column) != 0) {
    return std::nullopt;
  }
  return std::string_view(PQgetvalue(rows, row, column), static_cast<std::size_t>(PQgetlength(rows, row, column)));
}

// A row is an answer, or an error that is the report's own.
Answer answer_in(const PGresult* rows, int row) noexcept {
  Answer answer;
  answer.text = field(rows, row, 0);
  if (!answer.text) {
    answer.sqlstate = field(rows, row, 1).value_or("XX000");
    answer.message = field(rows, row, 2).value_or("");
    answer.detail = field(rows, row, 3).value_or("");
  }
  return answer;
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

// Those for whose batch there is no memory are told that the database is away, and the next ones have their turn.
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
  auto query = std::make_shared<Query>();
  query->statement = {sql::kReportPresenceMany, {requests + ']'}};
  query->lane = Lane::kPresence;
  query->done = [this](const QueryResult& result) {
    answered(result);
    send_next();
  };
  pool_.post(std::move(query));
}

// Whoever is answered may bring the next report at once: it waits for the next batch.
void Reports::answered(const QueryResult& result) noexcept {
  Batch batch;
  batch.swap(sent_);
  const bool whole = result.rows != nullptr && PQntuples(result.rows) == static_cast<int>(batch.size());
  int row = 0;
  for (const auto& report : batch) {
    if (report->done) {
      const auto done = std::exchange(report->done, nullptr);
      done(whole ? answer_in(result.rows, row) : answer_of(result));
    }
    ++row;
  }
  busy_ = false;
}

}  // namespace pgevents::nginx
