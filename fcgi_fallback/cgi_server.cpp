// Plain CGI (RFC 3875): one request, from environment and standard input to standard output.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "fcgi_fallback/server.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kBufferBytes = 65536;
constexpr unsigned kPruneOneIn = 64;  // requests, by chance: a process that lives for one request keeps no interval

class PlainCgiRequest : public CgiRequest {
 public:
  std::optional<std::string_view> variable(const char* name) const override {
    const char* const value = std::getenv(name);
    if (value == nullptr) {
      return std::nullopt;
    }
    return value;
  }

  // main() has looked through the environment already.
  void each_name(std::string_view, const NameVisitor&) const override {}

  std::string cookies() const override { return std::string(variable_or_empty("HTTP_COOKIE")); }

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
      if (sent < 0 && errno == EINTR) {
        continue;
      }
      if (sent <= 0) {
        break;
      }
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    const bool complete = rest.empty();
    buffer_.clear();
    return complete;
  }

  // The standard error of a CGI program is the web server's log.
  void log(std::string_view text) override { log_line(text); }

 private:
  std::string buffer_;
};

}  // namespace

bool started_as_cgi() {
  return std::getenv("GATEWAY_INTERFACE") != nullptr || std::getenv("REQUEST_METHOD") != nullptr;
}

int serve_cgi(Handler& handler) {
  PlainCgiRequest cgi;
  handler.handle(cgi);
  cgi.flush();
  // The response is complete for the web server when its pipe is closed; what follows does not delay the client.
  close(STDOUT_FILENO);
  handler.idle();
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (static_cast<unsigned>(now.tv_nsec / 1000) % kPruneOneIn == 0) {
    handler.prune();
  }
  return 0;
}

}  // namespace pgevents::fallback
