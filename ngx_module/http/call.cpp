// See call.hpp. Presence reports of many users are written together, see reports.hpp.
#include "ngx_module/http/call.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ngx_module/http/query_request.hpp"
#include "ngx_module/presence/presence_states.hpp"
#include "ngx_module/presence/reports.hpp"
#include "postgres/statements.hpp"

namespace pgevents::nginx {
namespace {

constexpr char kOutOfMemory[] = "XX000";

class CallQuestion final : public Question {
 public:
  CallQuestion(Asker& asker, const RequestContext& context, const LocConf& conf, Call&& call)
      : Question(asker, context, conf), call_(std::move(call)) {}
  ~CallQuestion() override {
    if (report_ != nullptr) {
      report_->cancel();
    }
    if (state_ != nullptr) {
      state_->cancel();
    }
  }

 private:
  const Session& session() const override { return call_.session; }
  void ask_database(const std::string& body) override;
  Reply reply_to(std::string_view text) const override { return call_reply(text); }
  bool asks_on(const Answer& answer) override;
  void report(const std::string& identity, const std::string& params);
  void state_arrived(const Answer& state) noexcept;

  Call call_;
  std::shared_ptr<Report> report_;
  std::shared_ptr<StateWaiter> state_;  // null: not asked for; the answer is complete with it
  std::string head_;
  std::string tail_;
};

void CallQuestion::ask_database(const std::string& body) {
  std::string params;
  if (const auto error = call_params(call_, body, params)) {
    return reject(*error);
  }
  params = without_unknown_values(call_.endpoint, params);
  const std::string identity = call_identity(call_.session.identity, true);
  if (call_.endpoint == Endpoint::kReportPresence) {
    return report(identity, params);
  }
  run({sql::call_statement(call_.endpoint), {identity, params}}, Lane::kPresence);
}

void CallQuestion::report(const std::string& identity, const std::string& params) {
  report_ = std::make_shared<Report>();
  report_->request = "{\"identity\":" + identity + ",\"params\":" + params + '}';
  report_->done = [this](const Answer& answer) { this->answer(answer); };
  if (!context().reports.add(report_)) {
    report_->cancel();
    reject(database_away(retry_after()));
  }
}

// One statement reads the realm's whole presence for all requests that want it at the same time.
bool CallQuestion::asks_on(const Answer& answer) {
  if (state_ != nullptr || !answer.text) {
    return false;
  }
  const auto parts = answer_in_parts(*answer.text);
  if (!parts) {
    return false;
  }
  head_ = parts->head;
  tail_ = parts->tail;
  state_ = std::make_shared<StateWaiter>();
  state_->done = [this](const Answer& state) { state_arrived(state); };
  if (!context().presence_states.add(std::string(parts->wanted), state_)) {
    state_->cancel();
    reject(database_away(retry_after()));
  }
  return true;
}

void CallQuestion::state_arrived(const Answer& state) noexcept {
  std::string whole;
  Answer answer = state;
  if (state.text) {
    const bool has_room = guarded(log(), [&] { whole.append(head_).append(*state.text).append(tail_); });
    answer = {};
    if (has_room) {
      answer.text = whole;
    } else {
      answer.sqlstate = kOutOfMemory;
    }
  }
  this->answer(answer);
}

}  // namespace

std::shared_ptr<Question> make_call(Asker& asker, const RequestContext& context, const LocConf& conf, Call&& call) {
  return std::make_shared<CallQuestion>(asker, context, conf, std::move(call));
}

ngx_int_t start_call(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf, Call&& call) {
  const bool has_body = call.has_body;
  auto* request = make_in_pool<QueryRequest>(r->pool, r, call_body_limit(conf.max_event_size));
  if (request == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return request->start(make_call(*request, context, conf, std::move(call)), has_body);
}

}  // namespace pgevents::nginx
