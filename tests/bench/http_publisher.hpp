// Publishes by POST over a kept connection, or over a new one if the server closes it: to nchan's publisher location,
// the bare loop, Pushpin's control port, pgevents.
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
  // Without a `body` the data is sent to `path` + channel. With one, the body is sent to `path`. In both, `{channel}`
  // and `{data}` are replaced, with quotes and backslashes escaped, because they are parts of JSON strings; `{json}` is
  // replaced by the data as it is.
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
  bool closing_ = false;  // the server closes the connection after this answer
};

}  // namespace bench
