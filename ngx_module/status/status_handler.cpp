// See status_handler.hpp.
#include "ngx_module/status/status_handler.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status/json.hpp"
#include "core/status/page.hpp"
#include "core/status/prometheus.hpp"
#include "core/text/header_value.hpp"
#include "core/text/name_pattern.hpp"
#include "core/text/url.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/status/channel_request.hpp"
#include "ngx_module/status/gather.hpp"
#include "ngx_module/status/plain_reply.hpp"

namespace pgevents::nginx {
namespace {

using Format = StatusConf::Format;

// The first format in `accept` that there is; Prometheus' if none is.
Format accepted(std::string_view accept) {
  while (!accept.empty()) {
    const std::size_t comma = std::min(accept.find(','), accept.size());
    const std::string_view type = media_type(accept.substr(0, comma));
    if (equals_ignoring_case(type, "text/html")) {
      return Format::kHtml;
    }
    if (equals_ignoring_case(type, "application/json")) {
      return Format::kJson;
    }
    if (equals_ignoring_case(type, "text/plain")) {
      break;
    }
    accept.remove_prefix(std::min(comma + 1, accept.size()));
  }
  return Format::kPrometheus;
}

// Whether a channel was asked for, and its number of subscribers is not known.
bool has_unknown_channel(const StatusView& status) {
  return std::any_of(status.databases.begin(), status.databases.end(), [](const DatabaseStatus& database) {
    return database.channel && database.channel->silent_workers > 0;
  });
}

// A program that does not look for `silent_workers` must not take the answer for a number.
Reply render_json(const StatusView& status) {
  const bool unknown = has_unknown_channel(status);
  Reply reply = uncached_reply(unknown ? 503 : 200, "application/json", status_json(status));
  if (unknown) {
    reply.headers.push_back({"Retry-After", "1"});
  }
  return reply;
}

Reply render(const StatusView& status, Format format) {
  switch (format) {
    case Format::kHtml: {
      Reply reply = uncached_reply(200, "text/html; charset=utf-8", status_page(status));
      reply.headers.push_back({"Content-Security-Policy", std::string(status_page_policy())});
      return reply;
    }
    case Format::kJson:
      return render_json(status);
    default:
      return uncached_reply(200, kPrometheusType, prometheus_text(status));
  }
}

Reply render(const StatusView& status, const StatusConf& conf, std::string_view accept) {
  if (conf.format != Format::kAuto) {
    return render(status, conf.format);
  }
  Reply reply = render(status, accepted(accept));
  reply.headers.push_back({"Vary", "Accept"});
  return reply;
}

// The value of the query's `channel`; sets `fault` if the query is wrong.
std::optional<std::string> channel_in(std::string_view query, const char*& fault) {
  FormFields fields;
  std::optional<std::string> channel;
  if (parse_form(query, "query", fields)) {
    fault = "The query is not valid\n";
  }
  for (auto& [name, value] : fields) {
    if (name == "channel") {
      fault = channel ? "channel= is given twice\n" : name_is_sane(value) ? fault : "No such channel\n";
      channel = std::move(value);
    }
  }
  return channel;
}

// `accept` is a view of the request, which lives as long as its object.
ngx_int_t answer_with_channel(ngx_http_request_t* r, const StatusConf& conf, std::string_view accept,
                              std::string&& channel) {
  std::vector<DatabaseWorker*> databases = databases_of(r, conf.database);
  const auto reply = [databases, &conf, accept](std::vector<ChannelStatus> channels) {
    StatusView status = gather_status(databases);
    for (std::size_t i = 0; i < channels.size(); ++i) {
      status.databases[i].channel = std::move(channels[i]);
    }
    return render(status, conf, accept);
  };
  auto* request = make_in_pool<ChannelRequest>(r->pool, r, std::move(databases), std::move(channel), reply);
  return request == nullptr ? NGX_HTTP_INTERNAL_SERVER_ERROR : request->start();
}

ngx_int_t answer(ngx_http_request_t* r) {
  const auto& conf = *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module))->status;
  const std::string_view accept = read_request(r).accept;
  const char* fault = nullptr;
  std::optional<std::string> channel = channel_in(view(r->args), fault);
  if (fault != nullptr) {
    return send_plain(r, plain_reply(400, fault));
  }
  if (channel && conf.channels == 0) {
    return send_plain(r, plain_reply(403,
                                     "Channels are not shown here, because their subscribers tell who is online; "
                                     "pgevents_status has channels=on for that\n"));
  }
  if (channel) {
    return answer_with_channel(r, conf, accept, std::move(*channel));
  }
  return send_plain(r, render(gather_status(databases_of(r, conf.database)), conf, accept));
}

}  // namespace

ngx_int_t handle_status(ngx_http_request_t* r) {
  return guarded(r->connection->log, static_cast<ngx_int_t>(NGX_HTTP_INTERNAL_SERVER_ERROR),
                 [r] { return only_reads(r) ? answer(r) : reject_method(r); });
}

}  // namespace pgevents::nginx
