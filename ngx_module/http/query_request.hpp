// A request over HTTP that asks a question: reads the body, if there is one, asks, replies. Lives in the request's
// pool. If the client leaves before the database has answered, the statement runs all the same.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ngx_module/http/question.hpp"

namespace pgevents::nginx {

class QueryRequest final : public Asker {
 public:
  // max_body: in bytes; a larger body is answered with 413.
  QueryRequest(ngx_http_request_t* r, std::size_t max_body) : r_(r), max_body_(max_body) {}
  QueryRequest(const QueryRequest&) = delete;
  QueryRequest& operator=(const QueryRequest&) = delete;

  // Called once by the handler; returns the phase handler's result.
  ngx_int_t start(std::shared_ptr<Question> question, bool has_body);

  void replied(const Reply& reply) override;
  void failed() noexcept override;
  ngx_log_t* log() const noexcept override { return r_->connection->log; }

 private:
  static void on_body(ngx_http_request_t* r);

  ngx_int_t ask_without_body();
  void ask_by(const std::function<void()>& body) noexcept;
  bool collect_body(std::string& body);
  bool append_buffer(ngx_buf_t* b, std::string& body);
  void finish(ngx_int_t rc) noexcept;

  ngx_http_request_t* r_;
  const std::size_t max_body_;
  std::shared_ptr<Question> question_;
  bool asking_ = false;  // in ask_by(): nginx itself continues with the request when that returns
};

}  // namespace pgevents::nginx
