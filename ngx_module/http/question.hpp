// A question to the database that one statement answers: a publication, or a call. Asked by a request over HTTP
// (query_request.hpp) or by a message through a WebSocket.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/request_context.hpp"
#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {

// Whom a question answers. It owns the question, and may drop it in each of these.
class Asker {
 public:
  // Called once, if the question lives so long.
  virtual void replied(const Reply& reply) = 0;
  // Called instead, if memory was refused.
  virtual void failed() noexcept = 0;
  virtual ngx_log_t* log() const noexcept = 0;

 protected:
  Asker() = default;
  ~Asker() = default;
};

// The reply that rejects a request; counts it if the reason is its token, user, rights or origin.
Reply rejection(const Error& error, Metrics& metrics);

// If its owner drops it before the database has answered, the statement runs all the same and its answer is dropped.
class Question : public std::enable_shared_from_this<Question> {
 public:
  virtual ~Question();
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // Once. The session is checked again: the client may have taken a long time to send the body. The reply may come
  // before this returns.
  void ask(const std::string& body);

 protected:
  Question(Asker& asker, const RequestContext& context, const LocConf& conf) noexcept
      : asker_(asker), context_(context), conf_(conf) {}

  virtual const Session& session() const = 0;
  // Calls run() or reject(), or has something else call answer().
  virtual void ask_database(const std::string& body) = 0;
  // The reply to what the statement returned.
  virtual Reply reply_to(std::string_view text) const = 0;
  // True if the reply needs the answer of a second statement as well, which this asks.
  virtual bool asks_on(const Answer&) { return false; }

  // Runs the statement; one row with one column is the answer.
  void run(Statement statement, Lane lane);
  void answer(const Answer& answer) noexcept;
  void reject(const Error& error);

  ngx_log_t* log() const noexcept { return asker_.log(); }
  const RequestContext& context() const noexcept { return context_; }
  const LocConf& conf() const noexcept { return conf_; }
  unsigned retry_after() const noexcept { return static_cast<unsigned>(conf_.poll_interval); }

 private:
  std::optional<Error> session_error() const;
  void check_revoked(const std::string& body);
  void revocation_known(const Answer& answer, const std::string& body) noexcept;
  void run(Statement statement, Lane lane, QueryDone done);
  Reply reply_for(const Answer& answer) const;

  Asker& asker_;
  const RequestContext& context_;
  const LocConf& conf_;
  std::shared_ptr<Query> query_;
};

}  // namespace pgevents::nginx
