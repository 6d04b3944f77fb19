// The accept loop of a FastCGI process. Connections are accepted here and not by libfcgi, which would block in accept
// without noticing signals, and which can keep only one connection and serves nobody else while that is idle.
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
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include "core/text/printable.hpp"
#include "fcgi_fallback/server.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kMaxIdle = 64;
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

  std::vector<std::string_view> names() const override {
    std::vector<std::string_view> names;
    for (char** entry = request_.envp; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      names.push_back(text.substr(0, text.find('=')));
    }
    return names;
  }

  // nginx before 1.23 passes each header on as it came: several parameters of one name.
  std::string cookies() const override {
    constexpr std::string_view kName = "HTTP_COOKIE=";
    std::string all;
    for (char** entry = request_.envp; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      if (text.substr(0, kName.size()) != kName) continue;
      if (!all.empty()) all += "; ";
      all += text.substr(kName.size());
    }
    return all;
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
    const Printable line(text);  // the web server writes it into its log as it is
    FCGX_PutStr(line.c_str(), static_cast<int>(std::strlen(line.c_str())), request_.err);
  }

 private:
  FCGX_Request& request_;
};

class FcgiServer {
 public:
  FcgiServer(int listen_fd, Handler& handler) : listen_fd_(listen_fd), handler_(handler) {
    idle_.reserve(kMaxIdle + 1);
    entries_.reserve(kMaxIdle + 2);
    // Where it had no memory to begin, libfcgi accepts nothing ever after.
    if (FCGX_Init() != 0) throw std::bad_alloc();
    // Without a listening socket of its own libfcgi gives up on a bad connection instead of accepting another one.
    FCGX_InitRequest(&request_, -1, 0);
    // Steering signals arrive only while waiting, so that no system call of libpq or libfcgi is interrupted.
    sigprocmask(SIG_BLOCK, nullptr, &waiting_mask_);
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) sigdelset(&waiting_mask_, number);
  }

  ~FcgiServer() {
    FCGX_Free(&request_, 1);
    for (const int fd : idle_) close(fd);
  }
  FcgiServer(const FcgiServer&) = delete;
  FcgiServer& operator=(const FcgiServer&) = delete;

  int run() {
    while (stop_requested == 0) {
      const int fd = next_connection();
      if (fd < 0) continue;
      request_.ipcFd = fd;
      // FCGX_Accept_r first finishes the previous request, and would close the connection with it. The new request's
      // own wish replaces this.
      request_.keepConnection = 1;
      if (FCGX_Accept_r(&request_) < 0) continue;  // nothing, or no FastCGI: it is closed
      FcgiExchange exchange(request_);
      handler_.handle(exchange);
      FCGX_Finish_r(&request_);
      if (request_.ipcFd >= 0) keep_idle(request_.ipcFd);  // the web server wants to use it again
      request_.ipcFd = -1;
      handler_.idle();
    }
    return 0;
  }

 private:
  // Waits. Returns a connection with something to read; -1 when a new one was accepted, a signal came, or the time was up.
  int next_connection() {
    entries_.assign(1, {listen_fd_, POLLIN, 0});
    for (const int fd : idle_) entries_.push_back({fd, POLLIN, 0});
    const int count = wait();
    if (count == 0) handler_.idle();
    if (count <= 0) return -1;
    const auto ready =
        std::find_if(entries_.begin() + 1, entries_.end(), [](const pollfd& e) { return e.revents != 0; });
    // New connections and those we have take turns: neither starves, and no process hoards what others could serve.
    const bool take_new = entries_[0].revents != 0 && (ready == entries_.end() || !took_new_);
    took_new_ = take_new;
    if (take_new) accept_connection();
    if (take_new || ready == entries_.end()) return -1;
    idle_.erase(std::find(idle_.begin(), idle_.end(), ready->fd));
    return ready->fd;
  }

  // For events, a signal, or until the handler has something to do.
  int wait() {
    const auto idle_in = handler_.until_idle();
    timespec limit{};
    if (idle_in) limit = {idle_in->count() / 1000, idle_in->count() % 1000 * 1000000};
    return ppoll(entries_.data(), entries_.size(), idle_in ? &limit : nullptr, &waiting_mask_);
  }

  // A new connection waits among the idle ones until it is readable: one that stays silent occupies nobody.
  void accept_connection() {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      pause_when_exhausted(errno);
      return;
    }
    set_up(fd);
    keep_idle(fd);
  }

  // The longest unused one comes first, and makes room when there are too many.
  void keep_idle(int fd) {
    idle_.push_back(fd);
    if (idle_.size() <= kMaxIdle) return;
    close(idle_.front());
    idle_.erase(idle_.begin());
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
    char text[128];
    std::snprintf(text, sizeof text, "cannot accept a connection: %s", std::strerror(error));
    log_line(text);
    poll(nullptr, 0, 1000);
  }

  int listen_fd_;
  Handler& handler_;
  FCGX_Request request_{};
  std::vector<int> idle_;        // open connections without a request
  std::vector<pollfd> entries_;  // scratch; has its room from the start, as has idle_: to wait needs no memory
  bool took_new_ = false;
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
