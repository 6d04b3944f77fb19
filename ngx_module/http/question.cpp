// See question.hpp.
#include "ngx_module/http/question.hpp"

#include <utility>

#include "core/request/access.hpp"
#include "core/wire/sql_fault.hpp"
#include "ngx_module/http/service_state.hpp"
#include "postgres/sqlstate.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {

Question::~Question() {
  if (query_ != nullptr) {
    query_->cancel();
  }
}

std::optional<Error> Question::session_error() const {
  const auto revoked = [this](std::string_view user, std::int64_t issued_us) {
    return context_.service.rejection(user, issued_us, retry_after());
  };
  return check_session(session(), revoked, now_seconds());
}

void Question::ask(const std::string& body) {
  const auto self = shared_from_this();
  const auto error = session_error();
  if (error && error->status >= 500 && context_.service.has_primary()) {
    return check_revoked(body);
  }
  if (error) {
    return reject(*error);
  }
  ask_database(body);
}

// No listener follows the copy, so this nginx does not know what was revoked; the primary does.
void Question::check_revoked(const std::string& body) {
  const Session& who = session();
  run({sql::kTokenRevoked, {who.identity.user, std::to_string(who.issued_us)}}, Lane::kPublish,
      [this, body](const QueryResult& result) { revocation_known(answer_of(result), body); });
}

// The owner may drop this object within.
void Question::revocation_known(const Answer& answer, const std::string& body) noexcept {
  const auto self = shared_from_this();
  const auto go_on = [&] {
    if (!answer.text) {
      asker_.replied(reply_for(answer));
    } else if (*answer.text == "t") {
      reject(token_revoked());
    } else {
      ask_database(body);
    }
  };
  if (!guarded(log(), go_on)) {
    asker_.failed();
  }
}

void Question::run(Statement statement, Lane lane) {
  run(std::move(statement), lane, [this](const QueryResult& result) { answer(answer_of(result)); });
}

void Question::run(Statement statement, Lane lane, QueryDone done) {
  query_ = std::make_shared<Query>();
  query_->statement = std::move(statement);
  query_->lane = lane;
  query_->done = std::move(done);
  if (!context_.pool.run(query_)) {
    query_->cancel();
    reject(database_away(retry_after()));
  }
}

Reply Question::reply_for(const Answer& answer) const {
  if (answer.text) {
    return reply_to(*answer.text);
  }
  if (answer.sqlstate.empty()) {
    return error_reply(database_away(retry_after()));
  }
  const Error error = error_from_sql(answer.sqlstate, answer.message, answer.detail, retry_after());
  if (error.status >= 500) {
    ngx_log_error(NGX_LOG_ERR, log(), 0, "pgevents: database \"%V\" rejected a request: %s %s%s",
                  &context_.pool.database(), Printable(answer.sqlstate).c_str(), Printable(answer.message).c_str(),
                  postgres::advice(answer.sqlstate));
  }
  return error_reply(error);
}

// The owner may drop this object within.
void Question::answer(const Answer& answer) noexcept {
  const auto self = shared_from_this();
  const auto go_on = [&] {
    if (!asks_on(answer)) {
      asker_.replied(reply_for(answer));
    }
  };
  if (!guarded(log(), go_on)) {
    asker_.failed();
  }
}

void Question::reject(const Error& error) {
  asker_.replied(rejection(error, context_.metrics));
}

Reply rejection(const Error& error, Metrics& metrics) {
  if (error.fault != AuthFault::kNone) {
    metrics.add(Metric::kAuthFailures, error.fault);
  }
  return error_reply(error);
}

}  // namespace pgevents::nginx
