// A request that one statement answers: reads the body, if there is one, asks the database, replies. Lives in the
// request's pool. If the client leaves before the database has answered, the statement runs all the same and its answer
// is dropped.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/request_context.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class QueryRequest {
 public:
  // max_body: in bytes; a larger body is answered with 413.
  QueryRequest(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf, std::size_t max_body)
      : r_(r), context_(context), conf_(conf), max_body_(max_body) {}
  QueryRequest(const QueryRequest&) = delete;
  QueryRequest& operator=(const QueryRequest&) = delete;

  // Called once by the handler; returns the phase handler's result.
  ngx_int_t start(bool has_body);

 protected:
  ~QueryRequest();

  virtual const Session& session() const = 0;
  // Called with the whole body: calls run() or reject().
  virtual void ask(const std::string& body) = 0;
  // The reply to what the statement returned.
  virtual Reply reply_to(std::string_view text) const = 0;

  // True if the answer needs that of a second question as well, which this asks within ask_by().
  virtual bool asks_on(const Answer&) { return false; }

  // Runs the statement; one row with one column is the answer.
  void run(Statement statement, Lane lane);
  void answer(const Answer& answer) noexcept;
  // Runs code that may answer at once: the request outlives `body`, this object may end before the call returns.
  void ask_by(const std::function<void()>& body) noexcept;
  void reject(const Error& error);

  ngx_log_t* log() const { return r_->connection->log; }
  const RequestContext& context() const { return context_; }
  const LocConf& conf() const { return conf_; }
  unsigned retry_after() const { return static_cast<unsigned>(conf_.poll_interval); }

 private:
  static void on_body(ngx_http_request_t* r);

  ngx_int_t ask_without_body();
  void body_read();
  std::optional<Error> session_error() const;
  bool collect_body(std::string& body);
  bool append_buffer(ngx_buf_t* b, std::string& body);
  Reply reply_for(const Answer& answer) const;
  void finish(const Reply& reply);

  ngx_http_request_t* r_;
  const RequestContext& context_;
  const LocConf& conf_;
  const std::size_t max_body_;
  std::shared_ptr<Query> query_;
  bool asking_ = false;  // in ask_by(): nginx itself continues with the request when that returns
};

}  // namespace pgevents::nginx
