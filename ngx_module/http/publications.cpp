// See publications.hpp.
#include "ngx_module/http/publications.hpp"

#include <string>
#include <utility>

#include "core/wire/event.hpp"
#include "core/wire/sql_fault.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

using OutcomeRows = postgres::Rows<sql::PublishColumn>;

// The order of sql::kPublish.
constexpr const char* kMembers[] = {"identity", "channel", "body", "idempotency_key"};
constexpr std::size_t kIdentity = 0;  // JSON; the others are text
constexpr std::size_t kKey = 3;

std::size_t bytes_of(const WaitingPublication& publication) noexcept {
  std::size_t bytes = 0;
  for (const auto& param : publication.params) {
    bytes += param ? param->size() : 0;
  }
  return bytes;
}

void append_request(std::string& json, const postgres::Params& params) {
  char before = '{';
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i]) {
      json.append(1, before).append(1, '"').append(kMembers[i]).append(i == kIdentity ? "\":" : "\":\"");
      if (i == kIdentity) {
        json.append(*params[i]);
      } else {
        append_json_escaped(json, *params[i]);
        json += '"';
      }
      before = ',';
    }
  }
  json += '}';
}

Statement statement_for(const std::list<std::shared_ptr<WaitingPublication>>& batch) {
  std::string requests;
  for (const auto& publication : batch) {
    requests += requests.empty() ? '[' : ',';
    append_request(requests, publication->params);
  }
  return {sql::kPublishMany, {requests + ']'}};
}

void finish(const std::shared_ptr<WaitingPublication>& publication, const Answer& answer) noexcept {
  if (publication->done) {
    const auto done = std::exchange(publication->done, nullptr);
    done(answer);
  }
}

void finish_all(const std::list<std::shared_ptr<WaitingPublication>>& batch, const Answer& answer) noexcept {
  for (const auto& publication : batch) {
    finish(publication, answer);
  }
}

// Whether one publication may have made the whole transaction fail: then each is published by itself. Nothing of the
// transaction is left. Other errors are the database's, which cannot serve for a moment.
bool may_be_one_of_them(std::string_view sqlstate) noexcept {
  return !sqlstate.empty() && (sqlstate == postgres::kQueryCanceled || sql_fault(sqlstate) != SqlFault::kUnavailable);
}

}  // namespace

void WaitingPublication::cancel() noexcept {
  done = nullptr;
  if (query != nullptr) {
    query->cancel();
  }
}

Publications::Publications(QueryPool& pool, ngx_log_t* log) : pool_(pool), log_(log) {
  init_timer(patience_, this, &Publications::on_patience, log);
}

Publications::~Publications() {
  stop_timer(patience_);
}

// Before the pool has connected for the first time, it is not known what the schema has.
bool Publications::gathers() const noexcept {
  return pool_.schema_version() == 0 || pool_.schema_version() >= sql::kGroupCommitSchema;
}

bool Publications::add(std::shared_ptr<WaitingPublication> publication) {
  if (!gathers()) {
    return publish_alone(publication);
  }
  const std::size_t bytes = bytes_of(*publication);
  if (!has_room_for(bytes)) {
    pool_.count_rejected();
    return false;
  }
  waiting_.push_back(std::move(publication));
  waiting_bytes_ += bytes;
  send_next();
  return true;
}

bool Publications::has_room_for(std::size_t bytes) noexcept {
  const auto is_full = [&] {
    return waiting_.size() >= kMaxWaiting || (!waiting_.empty() && waiting_bytes_ + bytes > kMaxWaitingBytes);
  };
  if (is_full()) {
    drop_cancelled();
  }
  return !is_full();
}

void Publications::drop_cancelled() noexcept {
  waiting_.remove_if([this](const auto& publication) {
    if (publication->done) {
      return false;
    }
    waiting_bytes_ -= bytes_of(*publication);
    return true;
  });
}

Publications::Batch Publications::take_batch() noexcept {
  Batch batch;
  std::size_t bytes = 0;
  const std::size_t most = pool_.schema_version() < sql::kGroupCommitSchema ? 1 : kMaxBatch;
  while (!waiting_.empty() && batch.size() < most) {
    const std::size_t more = bytes_of(*waiting_.front());
    if (!batch.empty() && bytes + more > kMaxBatchBytes) {
      break;
    }
    bytes += more;
    waiting_bytes_ -= more;
    batch.splice(batch.end(), waiting_, waiting_.begin());
  }
  return batch;
}

// If not, the timer is set for when it may, or it may when a batch has ended.
bool Publications::may_send() noexcept {
  if (!newest_runs_ || !gathers()) {
    return true;
  }
  if (under_way_ >= pool_.connections()) {
    return false;
  }
  const ngx_msec_t waited = ngx_current_msec - newest_sent_at_;
  if (waited >= kPatience) {
    return true;
  }
  if (!patience_.timer_set) {
    ngx_add_timer(&patience_, kPatience - waited);
  }
  return false;
}

void Publications::on_patience(ngx_event_t* event) {
  static_cast<Publications*>(event->data)->send_next();
}

// The answer may come at once, for example because the database is away: then the loop goes on with the next batch. If
// memory is refused, the publications get the answer that the database is not available.
void Publications::send_next() noexcept {
  if (sending_) {
    return;
  }
  sending_ = true;
  while (!waiting_.empty() && may_send()) {
    drop_cancelled();
    Batch batch = take_batch();
    if (batch.empty()) {
      break;
    }
    const std::uint64_t number = ++newest_;
    newest_runs_ = true;
    ++under_way_;
    newest_sent_at_ = ngx_current_msec;
    if (!guarded(log_, false, [&] { return send(batch, number); })) {
      finish_all(batch, {});
      ended(number);
    }
  }
  sending_ = false;
  show();
}

// Takes the batch, and calls ended() and answers it later. False, or an exception: it has taken nothing. A publication
// with a key would keep the next ones waiting while another transaction uses the key: http_publish_many() leaves it out
// instead.
bool Publications::send(Batch& batch, std::uint64_t number) {
  const auto kept = std::make_shared<Batch>();
  const auto query = std::make_shared<Query>();
  const bool is_old = pool_.schema_version() < sql::kGroupCommitSchema;
  const bool by_itself = batch.size() == 1 && (is_old || !batch.front()->params[kKey]);
  query->statement = by_itself ? Statement{sql::kPublish, batch.front()->params} : statement_for(batch);
  query->lane = Lane::kPublish;
  query->done = [this, kept, number, by_itself](const QueryResult& result) {
    ended(number);
    if (by_itself) {
      finish_all(*kept, answer_of(result));
    } else {
      answered(*kept, result);
    }
  };
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log_, 0, "pgevents: %uz publications sent", batch.size());
  kept->swap(batch);
  if (!guarded(log_, false, [&] { return pool_.run(query); })) {
    query->cancel();
    batch.swap(*kept);
    return false;
  }
  return true;
}

// The next batch goes before the answers to this one are written: the database need not wait for that.
void Publications::ended(std::uint64_t number) noexcept {
  --under_way_;
  if (number == newest_) {
    newest_runs_ = false;
    stop_timer(patience_);
  }
  send_next();
}

void Publications::answered(const Batch& batch, const QueryResult& result) noexcept {
  if (result.rows == nullptr && !may_be_one_of_them(result.sqlstate)) {
    return finish_all(batch, answer_of(result));
  }
  const OutcomeRows rows(result.rows);
  if (result.rows != nullptr && rows.size() != static_cast<int>(batch.size())) {
    return finish_all(batch, {std::nullopt, postgres::kInternalError, {}, {}});
  }
  int number = 0;
  for (const auto& publication : batch) {
    using Column = sql::PublishColumn;
    const auto row = rows.at(number++);
    if (result.rows != nullptr && !row.is_null(Column::kAnswer)) {
      finish(publication, {row.text(Column::kAnswer), {}, {}, {}});
    } else if (result.rows != nullptr && !row.is_null(Column::kState)) {
      finish(publication,
             {std::nullopt, row.text(Column::kState), row.text(Column::kMessage), row.text(Column::kDetail)});
    } else if (!publish_alone(publication)) {
      finish(publication, {});
    }
  }
}

// The publication belongs to its request: the statement does not keep it.
bool Publications::publish_alone(const std::shared_ptr<WaitingPublication>& publication) noexcept {
  if (!publication->done) {
    return true;
  }
  return guarded(log_, false, [&] {
    publication->query = std::make_shared<Query>();
    publication->query->statement = {sql::kPublish, publication->params};
    publication->query->lane = Lane::kPublish;
    publication->query->done = [waiter = std::weak_ptr(publication)](const QueryResult& result) {
      if (const auto waiting = waiter.lock()) {
        finish(waiting, answer_of(result));
      }
    };
    return pool_.run(publication->query);
  });
}

}  // namespace pgevents::nginx
