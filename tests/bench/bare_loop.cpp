// The floor of `./run bench`: the least that a server without batching can do. One thread, epoll, one send() per
// subscriber and message; a channel is a path; there is no history, and for slow readers it only keeps the bytes that
// did not fit.
//   bare_loop PORT DIRECTORY     GET: event stream; POST: its body goes to every subscriber of that path
// The harness recognises the process by the directory in its command line.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";
constexpr std::string_view kAccepted = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

struct Connection {
  int fd = -1;
  std::string in;                               // a request, until it is complete
  std::string pending;                          // bytes that a slow reader's socket did not accept
  std::vector<Connection*>* channel = nullptr;  // its channel
  std::size_t place = 0;                        // its index in the channel
};

class BareLoop {
 public:
  explicit BareLoop(std::uint16_t port);
  void run();

 private:
  void accept_all();
  void on_readable(Connection* connection);
  void on_request(Connection* connection);
  void fan_out(const std::vector<Connection*>& channel, std::string_view data);
  void flush(Connection* connection);
  void drop(Connection* connection);

  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  std::unordered_map<std::string, std::vector<Connection*>> channels_;
  std::uint64_t next_id_ = 1;
};

BareLoop::BareLoop(std::uint16_t port) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 4096) != 0) {
    std::perror("bare_loop: bind");
    std::exit(1);
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

void BareLoop::run() {
  std::array<epoll_event, 512> ready;
  for (;;) {
    const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = ready[static_cast<std::size_t>(i)];
      auto* const connection = static_cast<Connection*>(event.data.ptr);
      if (connection == nullptr) {
        accept_all();
        continue;
      }
      if (!connection->pending.empty() && (event.events & EPOLLOUT) != 0) flush(connection);
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) on_readable(connection);
    }
  }
}

void BareLoop::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = connection.get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) {
      connection.release();  // owned by the epoll set from here; see drop()
    } else {
      close(fd);
    }
  }
}

void BareLoop::on_readable(Connection* connection) {
  std::array<char, 8192> buffer;
  for (;;) {
    const ssize_t size = recv(connection->fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return drop(connection);
    connection->in.append(buffer.data(), static_cast<std::size_t>(size));
    on_request(connection);
  }
}

void BareLoop::on_request(Connection* connection) {
  std::string& in = connection->in;
  for (;;) {
    const std::size_t head = in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    std::size_t length = 0;
    const std::size_t field = in.find("Content-Length: ");
    if (field < head) length = std::strtoul(in.c_str() + field + 16, nullptr, 10);
    if (in.size() < head + 4 + length) return;
    const std::size_t path = in.find(' ') + 1;
    std::vector<Connection*>& channel = channels_[in.substr(path, in.find(' ', path) - path)];
    if (in.compare(0, 4, "POST") == 0) {
      // It answers first, like a broker that confirms receipt; the fan-out follows.
      send(connection->fd, kAccepted.data(), kAccepted.size(), MSG_NOSIGNAL);
      fan_out(channel, std::string_view(in).substr(head + 4, length));
    } else {
      connection->channel = &channel;
      connection->place = channel.size();
      channel.push_back(connection);
      send(connection->fd, kStreamHead.data(), kStreamHead.size(), MSG_NOSIGNAL);
    }
    in.erase(0, head + 4 + length);
    if (in.empty()) in.shrink_to_fit();
  }
}

void BareLoop::fan_out(const std::vector<Connection*>& channel, std::string_view data) {
  std::string frame = "event: bench\ndata: ";
  frame.append(data).append("\nid: ").append(std::to_string(next_id_++)).append("\n\n");
  for (Connection* const connection : channel) {
    std::size_t sent = 0;
    if (connection->pending.empty()) {
      const ssize_t size = send(connection->fd, frame.data(), frame.size(), MSG_NOSIGNAL);
      if (size > 0) sent = static_cast<std::size_t>(size);
    }
    if (sent < frame.size()) connection->pending.append(frame, sent);
  }
}

void BareLoop::flush(Connection* connection) {
  std::string& pending = connection->pending;
  const ssize_t size = send(connection->fd, pending.data(), pending.size(), MSG_NOSIGNAL);
  if (size > 0) pending.erase(0, static_cast<std::size_t>(size));
}

void BareLoop::drop(Connection* connection) {
  if (connection->channel != nullptr) {
    std::vector<Connection*>& channel = *connection->channel;
    channel.back()->place = connection->place;
    channel[connection->place] = channel.back();
    channel.pop_back();
  }
  close(connection->fd);
  delete connection;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "bare_loop PORT DIRECTORY\n");
    return 1;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  BareLoop loop(static_cast<std::uint16_t>(std::atoi(argv[1])));
  loop.run();
}
