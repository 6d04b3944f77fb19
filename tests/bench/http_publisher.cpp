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

HttpPublisher::HttpPublisher(Loop& loop, PublisherPool& pool, const sockaddr_in& server, std::string path)
    : loop_(loop), pool_(pool), server_(server), path_(std::move(path)) {
  connect();
}

HttpPublisher::~HttpPublisher() {
  close(fd_);
}

// Blocking: done before the run, and when the server ended the connection between two events.
void HttpPublisher::connect() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect to publish");
  }
  reader_.reset();
  loop_.add(fd_, this);
}

void HttpPublisher::publish(const Publication& publication) {
  std::string request = "POST " + path_ + publication.channel +
                        " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: " +
                        std::to_string(publication.data.size()) + "\r\n\r\n";
  request += publication.data;
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
    throw std::runtime_error("the publisher's answer is not HTTP");
  }
}

void HttpPublisher::on_head(const ResponseHead& head) {
  if (head.status < 200 || head.status > 299) {
    throw std::runtime_error("publishing was answered with status " + std::to_string(head.status));
  }
}

void HttpPublisher::on_end() {
  pool_.on_done(*this);
}

}  // namespace bench
