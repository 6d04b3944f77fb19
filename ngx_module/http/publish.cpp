// Publishing through HTTP; see publish.hpp. An Idempotency-Key makes a retry safe for a client that did not get the
// answer.
#include "ngx_module/http/publish.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ngx_module/http/publications.hpp"
#include "ngx_module/http/query_request.hpp"

namespace pgevents::nginx {
namespace {

class Publisher final : public Question {
 public:
  Publisher(Asker& asker, const RequestContext& context, const LocConf& conf, Publication&& publication)
      : Question(asker, context, conf), publication_(std::move(publication)) {}
  ~Publisher() override {
    if (waiting_ != nullptr) {
      waiting_->cancel();
    }
  }

 private:
  const Session& session() const override { return publication_.session; }
  void ask_database(const std::string& body) override;
  Reply reply_to(std::string_view text) const override { return publish_reply(text); }

  Publication publication_;
  std::shared_ptr<WaitingPublication> waiting_;
};

void Publisher::ask_database(const std::string& body) {
  std::string json;
  if (const auto error = publish_body(publication_, body, *conf().names, json)) {
    return reject(*error);
  }
  std::optional<std::string> key;
  if (!publication_.idempotency_key.empty()) {
    key = publication_.idempotency_key;
  }
  waiting_ = std::make_shared<WaitingPublication>();
  waiting_->params = {identity_json(publication_.session.identity), publication_.channel, std::move(json), key};
  waiting_->done = [this](const Answer& answer) { this->answer(answer); };
  if (!context().publications.add(waiting_)) {
    waiting_->cancel();
    reject(database_away(retry_after()));
  }
}

}  // namespace

std::shared_ptr<Question> make_publication(Asker& asker, const RequestContext& context, const LocConf& conf,
                                           Publication&& publication) {
  return std::make_shared<Publisher>(asker, context, conf, std::move(publication));
}

ngx_int_t start_publication(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf,
                            Publication&& publication) {
  auto* request = make_in_pool<QueryRequest>(r->pool, r, publication_limit(conf));
  if (request == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return request->start(make_publication(*request, context, conf, std::move(publication)), true);
}

}  // namespace pgevents::nginx
