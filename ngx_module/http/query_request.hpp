// A request that one statement answers: reads the body, if it has one, asks the database, replies. Lives in the request's pool; when the
// client leaves before the database has answered, what was asked for is done all the same and nobody is told.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>
#include <memory>
#include <string>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

class DatabaseWorker;

class QueryRequest {
 public:
  // max_body: in bytes; what is larger is answered 413.
  QueryRequest(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf, std::size_t max_body)
      : r_(r), database_(database), conf_(conf), max_body_(max_body) {}
  QueryRequest(const QueryRequest&) = delete;
  QueryRequest& operator=(const QueryRequest&) = delete;

  // Called once by the handler; the result is the phase handler's.
  ngx_int_t start(bool has_body);

 protected:
  ~QueryRequest();

  virtual const Session& session() const = 0;
  // The body is there: run() a statement or refuse().
  virtual void ask(const std::string& body) = 0;
  // The answer to what the statement returned.
  virtual Reply reply_to(std::string_view text) const = 0;

  // An answer that is complete only with that of another question, which this may ask within ask_by(). False: it is complete.
  virtual bool asks_on(const Answer&) { return false; }

  // One row with one column is the answer.
  void run(Statement statement, Lane lane);
  void answer(const Answer& answer) noexcept;
  // Runs what may answer at once: the request outlives `body`, this object need not outlive the call.
  void ask_by(const std::function<void()>& body) noexcept;
  void refuse(const Error& error) { finish(error_reply(error)); }

  ngx_log_t* log() const { return r_->connection->log; }
  DatabaseWorker& database() const { return database_; }
  const LocConf& conf() const { return conf_; }
  unsigned retry_after() const { return static_cast<unsigned>(conf_.poll_interval); }

 private:
  static void on_body(ngx_http_request_t* r);

  ngx_int_t ask_without_body();
  void body_read();
  std::optional<Error> no_longer_good() const;
  bool collect_body(std::string& body);
  Reply reply_for(const Answer& answer) const;
  void finish(const Reply& reply);

  ngx_http_request_t* r_;
  DatabaseWorker& database_;
  const LocConf& conf_;
  const std::size_t max_body_;
  std::shared_ptr<Query> query_;
  bool asking_ = false;  // in ask_by(): nginx itself goes on with the request behind it
};

}  // namespace pgevents::nginx
