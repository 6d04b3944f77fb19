// See query_request.hpp.
#include "ngx_module/http/query_request.hpp"

#include "core/wire/sql_fault.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/http/service_state.hpp"
#include "postgres/sqlstate.hpp"

namespace pgevents::nginx {
namespace {

void keep(ngx_http_request_t* r) {
  keep_request(r, watch_client, ngx_http_request_empty_handler);
}

}  // namespace

QueryRequest::~QueryRequest() {
  if (query_ != nullptr) {
    query_->cancel();
  }
}

ngx_int_t QueryRequest::start(bool has_body) {
  ngx_http_set_ctx(r_, this, ngx_http_pgevents_module);
  if (!has_body) {
    return ask_without_body();
  }
  if (r_->headers_in.content_length_n > static_cast<off_t>(max_body_)) {
    const ngx_int_t rc = ngx_http_discard_request_body(r_);
    return rc != NGX_OK ? rc : send_reply(r_, error_reply(body_too_large(max_body_)));
  }
  keep(r_);
  const ngx_int_t rc = ngx_http_read_client_request_body(r_, &QueryRequest::on_body);
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
    return rc;
  }
  ngx_http_finalize_request(r_, NGX_DONE);
  return NGX_DONE;
}

// The answer may come at once, for example because the database is away. So this function holds one more reference to
// the request until it returns, as nginx does while it reads a body.
void QueryRequest::ask_by(const std::function<void()>& body) noexcept {
  ngx_http_request_t* const r = r_;
  r->main->count++;
  asking_ = true;
  if (!guarded(r->connection->log, body)) {
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
  }
  asking_ = false;
  ngx_http_finalize_request(r, NGX_DONE);
}

ngx_int_t QueryRequest::ask_without_body() {
  const ngx_int_t rc = ngx_http_discard_request_body(r_);
  if (rc == NGX_OK) {
    keep(r_);
    ask_by([this] { ask({}); });
  }
  return rc == NGX_OK ? NGX_DONE : rc;
}

void QueryRequest::on_body(ngx_http_request_t* r) {
  auto* self = static_cast<QueryRequest*>(ngx_http_get_module_ctx(r, ngx_http_pgevents_module));
  keep(r);
  self->ask_by([self] { self->body_read(); });
}

// The body may be in memory, in a temporary file, or both. False when the request was rejected.
bool QueryRequest::collect_body(std::string& body) {
  if (r_->request_body == nullptr) {
    return true;
  }
  for (ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
    if (!append_buffer(link->buf, body)) {
      return false;
    }
  }
  return true;
}

bool QueryRequest::append_buffer(ngx_buf_t* b, std::string& body) {
  const std::size_t have = body.size();
  const auto size = static_cast<std::size_t>(ngx_buf_size(b));
  if (have + size > max_body_) {
    reject(body_too_large(max_body_));
    return false;
  }
  if (!b->in_file) {
    body.append(reinterpret_cast<char*>(b->pos), size);
    return true;
  }
  body.resize(have + size);
  const ssize_t n = ngx_read_file(b->file, reinterpret_cast<u_char*>(&body[have]), size, b->file_pos);
  if (n != static_cast<ssize_t>(size)) {
    reject(internal_error());
    return false;
  }
  return true;
}

// The client may have taken a long time to send the body: the session may have expired or been revoked meanwhile.
std::optional<Error> QueryRequest::session_error() const {
  const auto revoked = [this](std::string_view user, std::int64_t issued_us) {
    return context_.service.rejection(user, issued_us, retry_after());
  };
  return check_session(session(), revoked, now_seconds());
}

void QueryRequest::body_read() {
  if (const auto error = session_error()) {
    return reject(*error);
  }
  std::string body;
  if (collect_body(body)) {
    ask(body);
  }
}

void QueryRequest::run(Statement statement, Lane lane) {
  query_ = std::make_shared<Query>();
  query_->statement = std::move(statement);
  query_->lane = lane;
  query_->done = [this](const QueryResult& result) { answer(answer_of(result)); };
  if (!context_.pool.run(query_)) {
    query_->cancel();
    reject(database_away(retry_after()));
  }
}

Reply QueryRequest::reply_for(const Answer& answer) const {
  if (answer.text) {
    return reply_to(*answer.text);
  }
  if (answer.sqlstate.empty()) {
    return error_reply(database_away(retry_after()));
  }
  const Error error = error_from_sql(answer.sqlstate, answer.message, answer.detail, retry_after());
  if (error.status >= 500) {
    ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0, "pgevents: database \"%V\" rejected a request: %s %s%s",
                  &context_.pool.database(), Printable(answer.sqlstate).c_str(), Printable(answer.message).c_str(),
                  postgres::advice(answer.sqlstate));
  }
  return error_reply(error);
}

// If memory for the answer is refused, the request fails with 500.
void QueryRequest::answer(const Answer& answer) noexcept {
  ngx_http_request_t* const r = r_;
  ngx_connection_t* const c = r->connection;
  const bool from_event = !asking_;
  const auto go_on = [&] {
    if (!asks_on(answer)) {
      finish(reply_for(answer));
    }
  };
  if (!guarded(c->log, go_on)) {
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
  }
  if (from_event) {
    ngx_http_run_posted_requests(c);
  }
}

void QueryRequest::reject(const Error& error) {
  if (error.fault != AuthFault::kNone) {
    context_.metrics.add(Metric::kAuthFailures, error.fault);
  }
  finish(error_reply(error));
}

void QueryRequest::finish(const Reply& reply) {
  ngx_http_finalize_request(r_, send_reply(r_, reply));
}

}  // namespace pgevents::nginx
