// See reports.hpp.
#include "reports.hpp"

#include <algorithm>

#include "../core/sql.hpp"

namespace pgevents::nginx {
namespace {

std::optional<std::string_view> field(const PGresult* rows, int row, int column) {
  if (PQgetisnull(rows, row, column) != 0) {
    return std::nullopt;
  }
  return std::string_view(PQgetvalue(rows, row, column), static_cast<std::size_t>(PQgetlength(rows, row, column)));
}

// A row is an answer, or an error that is the report's own.
Answer answer_in(const PGresult* rows, int row) {
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
  if (waiting_.size() >= kMaxWaiting) {
    return false;
  }
  waiting_.push_back(std::move(report));
  if (query_ == nullptr) {
    send();
  }
  return true;
}

void Reports::send() {
  const auto size = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxBatch));
  sent_.assign(waiting_.begin(), waiting_.begin() + size);
  waiting_.erase(waiting_.begin(), waiting_.begin() + size);
  std::string requests;
  for (const auto& report : sent_) {
    requests += requests.empty() ? '[' : ',';
    requests += report->request;
  }
  query_ = std::make_shared<Query>();
  query_->statement = {sql::kReportPresenceMany, {requests + ']'}};
  query_->done = [this](const QueryResult& result) { answered(result); };
  pool_.post(query_);
}

// Whoever is answered may bring the next report at once: it waits, for the next batch is sent at the end.
void Reports::answered(const QueryResult& result) {
  const Batch batch = std::exchange(sent_, {});
  const bool whole = result.rows != nullptr && PQntuples(result.rows) == static_cast<int>(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i]->done) {
      const auto done = std::exchange(batch[i]->done, nullptr);
      done(whole ? answer_in(result.rows, static_cast<int>(i)) : answer_of(result));
    }
  }
  query_ = nullptr;
  if (!waiting_.empty()) {
    send();
  }
}

}  // namespace pgevents::nginx
