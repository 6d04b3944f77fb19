// See call.hpp. Reports of presence go together with those of others, see reports.hpp.
#include "call.hpp"

#include "database.hpp"
#include "query_request.hpp"

namespace pgevents::nginx {
namespace {

class CallRequest final : public QueryRequest {
 public:
  CallRequest(ngx_http_request_t* r, Database& database, const LocConf& conf, Call&& call)
      : QueryRequest(r, database, conf), call_(std::move(call)) {}
  ~CallRequest() {
    if (report_ != nullptr) {
      report_->cancel();
    }
  }

 private:
  const Session& session() const override { return call_.session; }
  void ask(const std::string& body) override;
  Reply reply_to(std::string_view text) const override { return call_reply(text); }
  void report(const std::string& identity, const std::string& params);

  Call call_;
  std::shared_ptr<Report> report_;
};

void CallRequest::ask(const std::string& body) {
  std::string params;
  if (const auto error = call_params(call_, body, params)) {
    return refuse(*error);
  }
  const std::string identity = identity_json(call_.session.identity);
  if (call_.endpoint == Endpoint::kReportPresence) {
    return report(identity, params);
  }
  run({call_statement(call_.endpoint), {identity, params}});
}

void CallRequest::report(const std::string& identity, const std::string& params) {
  report_ = std::make_shared<Report>();
  report_->request = "{\"identity\":" + identity + ",\"params\":" + params + '}';
  report_->done = [this](const Answer& answer) { this->answer(answer); };
  if (!database().reports().add(report_)) {
    report_->cancel();
    refuse(database_away(retry_after()));
  }
}

}  // namespace

ngx_int_t start_call(ngx_http_request_t* r, Database& database, const LocConf& conf, Call&& call) {
  const bool has_body = call.has_body;
  auto* request = make_in_pool<CallRequest>(r->pool, r, database, conf, std::move(call));
  return request == nullptr ? NGX_HTTP_INTERNAL_SERVER_ERROR : request->start(has_body);
}

}  // namespace pgevents::nginx
