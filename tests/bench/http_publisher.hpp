// Publishes by POST over a kept-alive connection, or a new one where the server ends it: nchan's publisher location,
// the bare loop, Pushpin's control port.
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
  // Without a `body` the data are sent to `path` + channel. With one, that is sent to `path`, its `{channel}` and
  // `{data}` replaced, with quotes and backslashes escaped, since they are to be parts of JSON strings.
  HttpPublisher(Loop& loop, PublisherPool& pool, const sockaddr_in& server, std::string path, std::string body);
  ~HttpPublisher() override;
  HttpPublisher(const HttpPublisher&) = delete;
  HttpPublisher& operator=(const HttpPublisher&) = delete;

  // One event at a time: batches are for transactions.
  void publish() override;
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
  std::string body_;
  HttpReader reader_;
  int fd_ = -1;
  bool closing_ = false;  // the server will end the connection after this answer
};

}  // namespace bench
