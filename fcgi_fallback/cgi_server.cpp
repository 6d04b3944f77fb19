// Plain CGI (RFC 3875): one request, from environment and standard input to standard output.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "fcgi_fallback/server.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kBufferBytes = 65536;
constexpr unsigned kPruneOneIn = 64;  // requests: a process that lives for one request has no clock

class CgiExchange : public Exchange {
 public:
  std::optional<std::string_view> param(const char* name) const override {
    const char* const value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  }

  // The program has looked through its environment already.
  std::vector<std::string_view> names() const override { return {}; }

  std::string cookies() const override { return std::string(param("HTTP_COOKIE").value_or("")); }

  std::size_t read(char* buffer, std::size_t size) override {
    ssize_t got = 0;
    do {
      got = ::read(STDIN_FILENO, buffer, size);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

  bool write(std::string_view bytes) override {
    buffer_.append(bytes);
    return buffer_.size() < kBufferBytes || flush();
  }

  bool flush() override {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t sent = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    const bool complete = rest.empty();
    buffer_.clear();
    return complete;
  }

  // A CGI program's standard error is the web server's log.
  void log(std::string_view text) override { log_line(text); }

 private:
  std::string buffer_;
};

}  // namespace

bool started_as_cgi() {
  return std::getenv("GATEWAY_INTERFACE") != nullptr || std::getenv("REQUEST_METHOD") != nullptr;
}

int serve_cgi(Handler& handler) {
  CgiExchange exchange;
  handler.handle(exchange);
  exchange.flush();
  // The answer is complete for the web server when its pipe is closed; what follows costs the client nothing.
  close(STDOUT_FILENO);
  handler.idle();
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (static_cast<unsigned>(now.tv_nsec / 1000) % kPruneOneIn == 0) handler.prune();
  return 0;
}

}  // namespace pgevents::fallback
