#include "http_publisher.hpp"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bench {

namespace {

void append_escaped(std::string& target, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\') target += '\\';
    target += c;
  }
}

// One pass, so that placeholders inside the data are not replaced.
std::string fill(std::string_view text, const Publication& publication) {
  constexpr std::string_view kChannel = "{channel}";
  constexpr std::string_view kData = "{data}";
  constexpr std::string_view kJson = "{json}";
  std::string result;
  while (!text.empty()) {
    if (text.substr(0, kChannel.size()) == kChannel) {
      append_escaped(result, publication.channel);
      text.remove_prefix(kChannel.size());
    } else if (text.substr(0, kData.size()) == kData) {
      append_escaped(result, publication.data);
      text.remove_prefix(kData.size());
    } else if (text.substr(0, kJson.size()) == kJson) {
      result += publication.data;
      text.remove_prefix(kJson.size());
    } else {
      result += text.front();
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

HttpPublisher::HttpPublisher(Loop& loop, PublisherPool& pool, const sockaddr_in& server, std::string path,
                             std::string body)
    : loop_(loop), pool_(pool), server_(server), path_(std::move(path)), body_(std::move(body)) {
  connect();
}

HttpPublisher::~HttpPublisher() {
  close(fd_);
}

// Blocking: called before the run, and when the server has closed the connection between two events.
void HttpPublisher::connect() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  closing_ = false;
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect to publish");
  }
  reader_.reset();
  loop_.add(fd_, this);
}

void HttpPublisher::publish() {
  const Publication& publication = under_way.front();
  const std::string body = body_.empty() ? publication.data : fill(body_, publication);
  std::string request =
      "POST " + fill(path_, publication) + (body_.empty() ? publication.channel : "") +
      " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n";
  request += body;
  if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    throw std::system_error(errno, std::generic_category(), "publish");
  }
}

void HttpPublisher::on_ready(std::uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) == 0) return;
  std::array<char, 4096> buffer;
  const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0) return;
  if (size == 0) {
    if (!idle()) throw std::runtime_error("the server closed the connection while publishing");
    close(fd_);
    connect();
    return;
  }
  if (!reader_.feed({buffer.data(), static_cast<std::size_t>(size)}, *this)) {
    throw std::runtime_error("the answer to the publisher is not HTTP");
  }
}

void HttpPublisher::on_head(const ResponseHead& head) {
  if (head.status < 200 || head.status > 299) {
    throw std::runtime_error("publishing was answered with status " + std::to_string(head.status));
  }
  closing_ = head.field("Connection") == "close";
}

void HttpPublisher::on_end() {
  if (closing_) {
    close(fd_);
    connect();
  }
  pool_.on_done(*this);
}

}  // namespace bench
