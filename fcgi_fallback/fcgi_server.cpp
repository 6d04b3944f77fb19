// The accept loop of a FastCGI process. Connections are accepted here and not by libfcgi, which would block in accept
// without noticing signals, and would wait for the next request of a kept connection while others queue.
#include <fcgiapp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include "server.hpp"

namespace pgevents::fallback {

namespace {

constexpr timeval kPeerPatience{30, 0};  // a web server that neither sends nor takes anything for so long is given up

volatile std::sig_atomic_t stop_requested = 0;

void request_stop(int) {
  stop_requested = 1;
}

class FcgiExchange : public Exchange {
 public:
  explicit FcgiExchange(FCGX_Request& request) : request_(request) {}

  std::optional<std::string_view> param(const char* name) const override {
    const char* const value = FCGX_GetParam(name, request_.envp);
    if (value == nullptr) return std::nullopt;
    return value;
  }

  std::size_t read(char* buffer, std::size_t size) override {
    const int got = FCGX_GetStr(buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)), request_.in);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

  bool write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto part = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
      if (FCGX_PutStr(bytes.data(), part, request_.out) != part) return false;
      bytes.remove_prefix(static_cast<std::size_t>(part));
    }
    return true;
  }

  bool flush() override { return FCGX_FFlush(request_.out) == 0; }

  void log(std::string_view text) override {
    log_line(text);
    FCGX_PutStr(text.data(), static_cast<int>(text.size()), request_.err);
  }

 private:
  FCGX_Request& request_;
};

class FcgiServer {
 public:
  FcgiServer(int listen_fd, Handler& handler) : listen_fd_(listen_fd), handler_(handler) {
    FCGX_Init();
    // Without a listening socket of its own libfcgi gives up on a bad connection instead of accepting another one.
    FCGX_InitRequest(&request_, -1, 0);
    // Steering signals arrive only while waiting, so that no system call of libpq or libfcgi is interrupted.
    sigprocmask(SIG_BLOCK, nullptr, &waiting_mask_);
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) sigdelset(&waiting_mask_, number);
  }

  ~FcgiServer() { FCGX_Free(&request_, 1); }
  FcgiServer(const FcgiServer&) = delete;
  FcgiServer& operator=(const FcgiServer&) = delete;

  int run() {
    while (stop_requested == 0) {
      if (!wait_for_request() || FCGX_Accept_r(&request_) < 0) continue;
      FcgiExchange exchange(request_);
      handler_.handle(exchange);
      FCGX_Finish_r(&request_);
      handler_.idle();
    }
    return 0;
  }

 private:
  // True when `request_` holds a connection with something to read.
  bool wait_for_request() {
    pollfd entries[] = {{listen_fd_, POLLIN, 0}, {request_.ipcFd, POLLIN, 0}};  // poll skips a descriptor of -1
    if (ppoll(entries, 2, nullptr, &waiting_mask_) <= 0) return false;
    if (entries[1].revents != 0) return true;
    // Somebody else wants to be served: the idle connection that the web server keeps must not stand in the way.
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      pause_when_exhausted(errno);
      return false;
    }
    if (request_.ipcFd >= 0) close(request_.ipcFd);
    set_up(fd);
    request_.ipcFd = fd;
    // FCGX_Accept_r first finishes the previous request, and would close the connection with it. The new request's own
    // wish replaces this.
    request_.keepConnection = 1;
    return true;
  }

  static void set_up(int fd) {
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPeerPatience, sizeof kPeerPatience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPeerPatience, sizeof kPeerPatience);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on unix sockets, which need it not
  }

  // Out of descriptors or memory, poll would report the same connection again and again.
  static void pause_when_exhausted(int error) {
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) return;
    log_line(std::string("cannot accept a connection: ") + std::strerror(error));
    poll(nullptr, 0, 1000);
  }

  int listen_fd_;
  Handler& handler_;
  FCGX_Request request_{};
  sigset_t waiting_mask_{};
};

void handle_signals() {
  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  action.sa_handler = request_stop;
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) sigaction(number, &action, nullptr);
  // HUP is meant for a master. A single process has nothing that it could replace.
  action.sa_handler = SIG_IGN;
  sigaction(SIGHUP, &action, nullptr);
}

}  // namespace

int serve_fastcgi(int fd, Handler& handler) {
  handle_signals();
  FcgiServer server(fd, handler);
  return server.run();
}

}  // namespace pgevents::fallback
