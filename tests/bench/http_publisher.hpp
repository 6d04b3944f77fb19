// Publishes by POST over a kept-alive connection: nchan's publisher location, and the bare loop.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "http_reader.hpp"
#include "loop.hpp"
#include "publisher.hpp"

namespace bench {

class HttpPublisher final : public Publisher, public Handler, private HttpSink {
 public:
  // `path`: to which the channel's name is appended.
  HttpPublisher(Loop& loop, PublisherPool& pool, const sockaddr_in& server, std::string path);
  ~HttpPublisher() override;
  HttpPublisher(const HttpPublisher&) = delete;
  HttpPublisher& operator=(const HttpPublisher&) = delete;

  void publish(const Publication& publication) override;
  void on_ready(std::uint32_t events) override;

 private:
  void on_head(const ResponseHead& head) override;
  void on_body(std::string_view) override {}
  void on_end() override;
  void connect();

  Loop& loop_;
  PublisherPool& pool_;
  sockaddr_in server_;
  std::string path_;
  HttpReader reader_;
  int fd_ = -1;
};

}  // namespace bench
