// Listening sockets; see listen_socket.hpp.
#include "fcgi_fallback/listen_socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace pgevents::fallback {

namespace {

constexpr int kSystemdFirstFd = 3;  // SD_LISTEN_FDS_START, sd_listen_fds(3)

std::string failure(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

bool is_listening(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

// Several processes poll one socket: those that lose the race for a connection must not block in accept().
void prepare(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

bool is_served(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return false;
  }
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

// The workers of a master that was killed a moment ago are about to end: wait a second for them.
bool stays_served(const sockaddr_un& address) {
  for (int i = 0; i < 10; ++i) {
    if (!is_served(address)) {
      return false;
    }
    poll(nullptr, 0, 100);
  }
  return true;
}

// Removes the socket file of a program that has ended. Anything else at this path stays.
std::optional<std::string> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  if (!S_ISSOCK(info.st_mode)) {
    return path + " exists and is not a socket; remove it, or choose another path for --listen";
  }
  if (stays_served(address)) {
    return path + ": another program listens there; stop it, or choose another path for --listen";
  }
  if (unlink(path.c_str()) != 0) {
    return failure("cannot remove the old socket " + path);
  }
  return std::nullopt;
}

// A whole number in the environment; 0 if the variable is absent.
long number_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtol(text, nullptr, 10) : 0;
}

}  // namespace

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) {
    close(fd_);
  }
  struct stat info {};
  if (!path_.empty() && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

std::optional<std::string> ListenSocket::open(const std::string& address, unsigned mode, int backlog) {
  constexpr char kUnix[] = "unix:";
  if (address.compare(0, 5, kUnix) == 0) {
    return open_unix(address.substr(5), mode, backlog);
  }
  if (!address.empty() && address[0] == '/') {
    return open_unix(address, mode, backlog);
  }
  return open_tcp(address, backlog);
}

std::optional<std::string> ListenSocket::open_unix(const std::string& path, unsigned mode, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return "--listen: the path of a unix socket must have 1 to 107 bytes";
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (auto problem = remove_stale(path, address)) {
    return problem;
  }
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    return failure("cannot create a socket");
  }
  // The mode must be right from the first moment on.
  const mode_t old_mask = umask(static_cast<mode_t>(0777U & ~mode));
  const int bound = bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(old_mask);
  if (bound != 0) {
    return failure("cannot listen on " + path);
  }
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) {
    path_ = path;
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
  if (listen(fd_, backlog) != 0) {
    return failure("cannot listen on " + path);
  }
  prepare(fd_);
  return std::nullopt;
}

std::optional<std::string> ListenSocket::open_tcp(const std::string& address, int backlog) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return "cannot listen on " + address + ": the address must be unix:/path or host:port";
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int result =
      getaddrinfo(host.empty() || host == "*" ? nullptr : host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (result != 0) {
    return "cannot listen on " + address + ": " + gai_strerror(result);
  }
  fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  bool ready = fd_ >= 0 && setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  ready = ready && bind(fd_, found->ai_addr, found->ai_addrlen) == 0 && listen(fd_, backlog) == 0;
  freeaddrinfo(found);
  if (!ready) {
    return failure("cannot listen on " + address);
  }
  prepare(fd_);
  return std::nullopt;
}

bool ListenSocket::inherit() {
  const bool from_systemd = number_in_environment("LISTEN_PID") == getpid() && number_in_environment("LISTEN_FDS") >= 1;
  if (from_systemd && is_listening(kSystemdFirstFd)) {
    fd_ = kSystemdFirstFd;
  } else if (is_listening(STDIN_FILENO)) {
    fd_ = STDIN_FILENO;
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  if (fd_ < 0) {
    return false;
  }
  prepare(fd_);
  return true;
}

}  // namespace pgevents::fallback
