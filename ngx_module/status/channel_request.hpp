// A request for the status that also asks how many subscribers a channel has: it waits for the answers of all processes
// (ChannelCensus), some seconds at most. Lives in the request's pool; ends with the request if the client leaves.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "core/status/status_view.hpp"
#include "core/wire/reply.hpp"
#include "ngx_module/database_worker.hpp"

namespace pgevents::nginx {

class ChannelRequest {
 public:
  // Makes the reply when the channel's status of each database is known, in the order of `databases`.
  using Render = std::function<Reply(std::vector<ChannelStatus> channels)>;

  ChannelRequest(ngx_http_request_t* r, std::vector<DatabaseWorker*> databases, std::string channel, Render render)
      : r_(r), databases_(std::move(databases)), channel_(std::move(channel)), render_(std::move(render)) {}
  ChannelRequest(const ChannelRequest&) = delete;
  ChannelRequest& operator=(const ChannelRequest&) = delete;

  // Called once by the content handler, whose result it returns.
  ngx_int_t start();

 private:
  bool ask();
  void answered(std::size_t database, const ChannelCensus::Result& result) noexcept;
  void finish() noexcept;

  ngx_http_request_t* r_;
  const std::vector<DatabaseWorker*> databases_;
  const std::string channel_;
  const Render render_;
  std::vector<ChannelStatus> channels_;
  std::list<ChannelCensus::Question> questions_;
  std::size_t missing_ = 0;
};

}  // namespace pgevents::nginx
