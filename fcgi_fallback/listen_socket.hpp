// The socket that web servers connect to: made by this program, or inherited from the program that started it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace pgevents::fallback {

// Owns a listening socket. At the end it removes the file of a unix socket, if that is still the one that it made.
class ListenSocket {
 public:
  ListenSocket() = default;
  ~ListenSocket();
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;

  // Listens on `unix:/path` or `host:port`. Returns what went wrong. A socket file without a listening program is
  // replaced.
  std::optional<std::string> open(const std::string& address, unsigned mode, int backlog);

  // Takes the socket of systemd (LISTEN_FDS), or that of spawn-fcgi and web servers (file descriptor 0). False if
  // neither is there.
  bool inherit();

  int fd() const { return fd_; }

 private:
  std::optional<std::string> open_unix(const std::string& path, unsigned mode, int backlog);
  std::optional<std::string> open_tcp(const std::string& address, int backlog);

  int fd_ = -1;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pgevents::fallback
