// See channel_request.hpp.
#include "ngx_module/status/channel_request.hpp"

#include "ngx_module/http/http_io.hpp"
#include "ngx_module/status/plain_reply.hpp"

namespace pgevents::nginx {

ngx_int_t ChannelRequest::start() {
  const ngx_int_t rc = ngx_http_discard_request_body(r_);
  if (rc != NGX_OK) {
    return rc;
  }
  bool asked = false;
  if (!guarded(r_->connection->log, [this, &asked] { asked = ask(); })) {
    questions_.clear();
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  if (!asked) {
    questions_.clear();
    Reply reply = plain_reply(503, "Too many requests ask for a channel at present\n");
    reply.headers.push_back({"Retry-After", "1"});
    return send_reply(r_, reply);
  }
  r_->main->count++;
  keep_request(r_, watch_client, ngx_http_request_empty_handler);
  return NGX_DONE;
}

// False if too many questions wait already.
bool ChannelRequest::ask() {
  channels_.resize(databases_.size());
  missing_ = databases_.size();
  for (std::size_t i = 0; i < databases_.size(); ++i) {
    channels_[i].name = channel_;
    questions_.emplace_back([this, i](const ChannelCensus::Result& result) { answered(i, result); });
    if (!databases_[i]->census().ask(questions_.back(), databases_[i]->ring().hash(channel_))) {
      return false;
    }
  }
  return true;
}

void ChannelRequest::answered(std::size_t database, const ChannelCensus::Result& result) noexcept {
  channels_[database].subscribers = result.subscribers;
  channels_[database].silent_workers = result.silent;
  if (--missing_ == 0) {
    finish();
  }
}

// Ends this object, too.
void ChannelRequest::finish() noexcept {
  ngx_connection_t* const c = r_->connection;
  ngx_http_request_t* const r = r_;
  const auto send = [this, r] { return send_reply(r, render_(std::move(channels_))); };
  ngx_http_finalize_request(r, guarded(c->log, static_cast<ngx_int_t>(NGX_HTTP_INTERNAL_SERVER_ERROR), send));
  ngx_http_run_posted_requests(c);
}

}  // namespace pgevents::nginx
