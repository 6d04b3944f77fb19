// The accept loop of a FastCGI process. It accepts connections itself: libfcgi would block in accept() without noticing
// signals, keeps only one connection, and serves no other while that is idle.
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
constexpr timeval kPeerPatience{
    30, 0};  // a connection on which the web server neither sends nor reads for so long is closed

volatile std::sig_atomic_t stop_requested = 0;

void request_stop(int) {
  stop_requested = 1;
}

// Calls `visit` with `NAME=value` of each variable that begins with `prefix`.
template <typename Visit>
void each_variable(char** environment, std::string_view prefix, Visit&& visit) {
  for (char** entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, prefix.data(), prefix.size()) == 0) {
      visit(std::string_view(*entry));
    }
  }
}

class FastCgiRequest : public CgiRequest {
 public:
  explicit FastCgiRequest(FCGX_Request& request) : request_(request) {}

  std::optional<std::string_view> variable(const char* name) const override {
    const char* const value = FCGX_GetParam(name, request_.envp);
    if (value == nullptr) {
      return std::nullopt;
    }
    return value;
  }

  void each_name(std::string_view prefix, const NameVisitor& visit) const override {
    each_variable(request_.envp, prefix, [&](std::string_view entry) { visit(entry.substr(0, entry.find('='))); });
  }

  // nginx before 1.23 passes each header on as it came: several parameters of one name.
  std::string cookies() const override {
    constexpr std::string_view kName = "HTTP_COOKIE=";
    std::string all;
    each_variable(request_.envp, kName, [&](std::string_view entry) {
      all.append(all.empty() ? "" : "; ").append(entry.substr(kName.size()));
    });
    return all;
  }

  std::size_t read(char* buffer, std::size_t size) override {
    const int got = FCGX_GetStr(buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)), request_.in);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

  bool write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto part = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
      if (FCGX_PutStr(bytes.data(), part, request_.out) != part) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(part));
    }
    return true;
  }

  bool flush() override { return FCGX_FFlush(request_.out) == 0; }

  void log(std::string_view text) override {
    log_line(text);
    const Printable line(text);  // the web server logs it unchanged
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
    // If memory is refused at its start, libfcgi never accepts anything.
    if (FCGX_Init() != 0) {
      throw std::bad_alloc();
    }
    // Without a listening socket of its own libfcgi gives up on a bad connection instead of accepting another one.
    FCGX_InitRequest(&request_, -1, 0);
    // Signals of the operator arrive only while waiting, so that they interrupt no system call of libpq or libfcgi.
    sigprocmask(SIG_BLOCK, nullptr, &waiting_mask_);
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) {
      sigdelset(&waiting_mask_, number);
    }
  }

  ~FcgiServer() {
    FCGX_Free(&request_, 1);
    for (const int fd : idle_) {
      close(fd);
    }
  }
  FcgiServer(const FcgiServer&) = delete;
  FcgiServer& operator=(const FcgiServer&) = delete;

  int run() {
    while (stop_requested == 0) {
      const int fd = next_connection();
      if (fd < 0) {
        continue;
      }
      request_.ipcFd = fd;
      // FCGX_Accept_r() first finishes the previous request, and would close the connection with it. The new request's
      // own flag replaces this.
      request_.keepConnection = 1;
      if (FCGX_Accept_r(&request_) < 0) {
        continue;  // closed, or not FastCGI: libfcgi has closed it
      }
      FastCgiRequest cgi(request_);
      handler_.handle(cgi);
      FCGX_Finish_r(&request_);
      if (request_.ipcFd >= 0) {
        keep_idle(request_.ipcFd);  // the web server keeps the connection
      }
      request_.ipcFd = -1;
      handler_.idle();
    }
    return 0;
  }

 private:
  // Waits. Returns a connection with something to read; -1 if a new one was accepted, a signal came, or the time is up.
  int next_connection() {
    entries_.assign(1, {listen_fd_, POLLIN, 0});
    for (const int fd : idle_) {
      entries_.push_back({fd, POLLIN, 0});
    }
    const int count = wait();
    if (count == 0) {
      handler_.idle();
    }
    if (count <= 0) {
      return -1;
    }
    const auto ready =
        std::find_if(entries_.begin() + 1, entries_.end(), [](const pollfd& e) { return e.revents != 0; });
    // New and kept connections take turns: neither starves, and no process accepts connections that others could serve
    // sooner.
    const bool take_new = entries_[0].revents != 0 && (ready == entries_.end() || !took_new_);
    took_new_ = take_new;
    if (take_new) {
      accept_connection();
    }
    if (take_new || ready == entries_.end()) {
      return -1;
    }
    idle_.erase(std::find(idle_.begin(), idle_.end(), ready->fd));
    return ready->fd;
  }

  // Waits for events, a signal, or until the handler has something to do.
  int wait() {
    const auto idle_in = handler_.until_idle();
    timespec limit{};
    if (idle_in) {
      limit = {idle_in->count() / 1000, idle_in->count() % 1000 * 1000000};
    }
    return ppoll(entries_.data(), entries_.size(), idle_in ? &limit : nullptr, &waiting_mask_);
  }

  // A new connection waits among the idle ones until it is readable, so that a silent one occupies no process.
  void accept_connection() {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      pause_when_exhausted(errno);
      return;
    }
    set_up(fd);
    keep_idle(fd);
  }

  // Appends the connection. If there are too many, the one unused for longest, which is the first, is closed.
  void keep_idle(int fd) {
    idle_.push_back(fd);
    if (idle_.size() <= kMaxIdle) {
      return;
    }
    close(idle_.front());
    idle_.erase(idle_.begin());
  }

  static void set_up(int fd) {
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPeerPatience, sizeof kPeerPatience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPeerPatience, sizeof kPeerPatience);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on unix sockets, which do not need it
  }

  // Without descriptors or memory, poll() would report the same connection again and again.
  static void pause_when_exhausted(int error) {
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
      return;
    }
    char text[128];
    std::snprintf(text, sizeof text, "cannot accept a connection: %s", std::strerror(error));
    log_line(text);
    poll(nullptr, 0, 1000);
  }

  int listen_fd_;
  Handler& handler_;
  FCGX_Request request_{};
  std::vector<int> idle_;        // open connections without a request
  std::vector<pollfd> entries_;  // for wait(). Reserved at the start, like idle_, so that waiting needs no memory
  bool took_new_ = false;
  sigset_t waiting_mask_{};
};

void handle_signals() {
  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  action.sa_handler = request_stop;
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) {
    sigaction(number, &action, nullptr);
  }
  // HUP is for a master process. A single process has no workers to replace.
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
