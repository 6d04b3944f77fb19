// Publishing through HTTP; see publish.hpp. Lives in the request's pool; when the client leaves before the database has answered, the
// event is published all the same and nobody is told (an Idempotency-Key makes the retry safe).
#include "publish.hpp"

#include <memory>
#include <string>

#include "../core/sql.hpp"
#include "database.hpp"
#include "respond.hpp"

namespace pgevents::nginx {
namespace {

class Publisher {
 public:
  Publisher(ngx_http_request_t* r, Database& database, const LocConf& conf, Publication&& publication)
      : r_(r), database_(database), conf_(conf), publication_(std::move(publication)) {}
  ~Publisher() {
    if (query_ != nullptr) {
      query_->cancel();
    }
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void body_read();
  ngx_int_t too_large() { return send_reply(r_, error_reply(body_too_large(conf_.max_event_size))); }

 private:
  bool collect_body(std::string& body);
  void publish(std::string json);
  void answer(const QueryResult& result);
  unsigned retry_after() const { return static_cast<unsigned>(conf_.poll_interval); }
  void finish(const Reply& reply) { ngx_http_finalize_request(r_, send_reply(r_, reply)); }

  ngx_http_request_t* r_;
  Database& database_;
  const LocConf& conf_;
  Publication publication_;
  std::shared_ptr<Query> query_;
};

// The body may be in memory, in a temporary file, or both.
bool Publisher::collect_body(std::string& body) {
  if (r_->request_body == nullptr) {
    return true;
  }
  for (ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
    ngx_buf_t* b = link->buf;
    const std::size_t have = body.size();
    const auto size = static_cast<std::size_t>(ngx_buf_size(b));
    if (have + size > conf_.max_event_size) {
      finish(error_reply(body_too_large(conf_.max_event_size)));
      return false;
    }
    if (!b->in_file) {
      body.append(reinterpret_cast<char*>(b->pos), size);
      continue;
    }
    body.resize(have + size);
    const ssize_t n = ngx_read_file(b->file, reinterpret_cast<u_char*>(&body[have]), size, b->file_pos);
    if (n != static_cast<ssize_t>(size)) {
      finish(error_reply({500, "Internal error", {}, {}, 0}));
      return false;
    }
  }
  return true;
}

void Publisher::body_read() {
  std::string body;
  if (!collect_body(body)) {
    return;
  }
  std::string json;
  if (const auto error = publish_body(publication_, body, *conf_.names, json)) {
    return finish(error_reply(*error));
  }
  publish(std::move(json));
}

void Publisher::publish(std::string json) {
  query_ = std::make_shared<Query>();
  query_->statement.sql = sql::kPublish;
  std::optional<std::string> key;
  if (!publication_.idempotency_key.empty()) {
    key = publication_.idempotency_key;
  }
  query_->statement.params = {"{}", publication_.channel, std::move(json), key};
  query_->done = [this](const QueryResult& result) { answer(result); };
  r_->read_event_handler = ngx_http_test_reading;
  if (!database_.pool().run(query_)) {
    query_->cancel();
    finish(error_reply(database_away(retry_after())));
  }
}

void Publisher::answer(const QueryResult& result) {
  ngx_connection_t* c = r_->connection;
  if (result.rows != nullptr && PQntuples(result.rows) == 1) {
    finish(publish_reply({PQgetvalue(result.rows, 0, 0), static_cast<std::size_t>(PQgetlength(result.rows, 0, 0))}));
  } else if (result.sqlstate.empty()) {
    finish(error_reply(database_away(retry_after())));
  } else {
    const Error error = error_from_sql(result.sqlstate, result.message, result.detail, retry_after());
    if (error.status >= 500) {
      ngx_log_error(NGX_LOG_ERR, c->log, 0, "pgevents: publishing failed: %s %s", result.sqlstate.c_str(),
                    result.message.c_str());
    }
    finish(error_reply(error));
  }
  ngx_http_run_posted_requests(c);
}

void on_body(ngx_http_request_t* r) {
  auto* publisher = static_cast<Publisher*>(ngx_http_get_module_ctx(r, ngx_http_pgevents_module));
  if (!guarded(r->connection->log, [publisher] { publisher->body_read(); })) {
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
  }
}

}  // namespace

ngx_int_t start_publication(ngx_http_request_t* r, Database& database, const LocConf& conf, Publication&& publication) {
  auto* publisher = make_in_pool<Publisher>(r->pool, r, database, conf, std::move(publication));
  if (publisher == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  if (r->headers_in.content_length_n > static_cast<off_t>(conf.max_event_size)) {
    const ngx_int_t rc = ngx_http_discard_request_body(r);
    return rc != NGX_OK ? rc : publisher->too_large();
  }
  ngx_http_set_ctx(r, publisher, ngx_http_pgevents_module);
  const ngx_int_t rc = ngx_http_read_client_request_body(r, on_body);
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
    return rc;
  }
  ngx_http_finalize_request(r, NGX_DONE);
  return NGX_DONE;
}

}  // namespace pgevents::nginx
