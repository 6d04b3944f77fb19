// See query_request.hpp.
#include "ngx_module/http/query_request.hpp"

#include <utility>

#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {
namespace {

void keep(ngx_http_request_t* r) {
  keep_request(r, watch_client, ngx_http_request_empty_handler);
}

}  // namespace

ngx_int_t QueryRequest::start(std::shared_ptr<Question> question, bool has_body) {
  question_ = std::move(question);
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
    ask_by([this] { question_->ask({}); });
  }
  return rc == NGX_OK ? NGX_DONE : rc;
}

void QueryRequest::on_body(ngx_http_request_t* r) {
  auto* self = static_cast<QueryRequest*>(ngx_http_get_module_ctx(r, ngx_http_pgevents_module));
  keep(r);
  self->ask_by([self] {
    std::string body;
    if (self->collect_body(body)) {
      self->question_->ask(body);
    }
  });
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
    replied(error_reply(body_too_large(max_body_)));
    return false;
  }
  if (!b->in_file) {
    body.append(reinterpret_cast<char*>(b->pos), size);
    return true;
  }
  body.resize(have + size);
  const ssize_t n = ngx_read_file(b->file, reinterpret_cast<u_char*>(&body[have]), size, b->file_pos);
  if (n != static_cast<ssize_t>(size)) {
    replied(error_reply(internal_error()));
    return false;
  }
  return true;
}

void QueryRequest::replied(const Reply& reply) {
  finish(send_reply(r_, reply));
}

void QueryRequest::failed() noexcept {
  finish(NGX_HTTP_INTERNAL_SERVER_ERROR);
}

void QueryRequest::finish(ngx_int_t rc) noexcept {
  ngx_connection_t* const c = r_->connection;
  const bool from_event = !asking_;
  ngx_http_finalize_request(r_, rc);
  if (from_event) {
    ngx_http_run_posted_requests(c);
  }
}

}  // namespace pgevents::nginx
