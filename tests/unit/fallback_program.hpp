// Runs the real pgevents-fcgi for tests, and talks FastCGI to it (FastCGI specification 1.0, responder role).
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "checks.hpp"

namespace pgevents::testing {

using Params = std::vector<std::pair<std::string, std::string>>;

// Waits for a condition, and fails the test if it does not hold within a minute: the machine may be busy.
inline void wait_until(const char* what, const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    assert_that(std::chrono::steady_clock::now() < deadline, what);
    usleep(5000);
  }
}

inline std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A directory that disappears with everything in it.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/pgevents-unit-XXXXXX";
    assert_that(mkdtemp(name) != nullptr, "mkdtemp");
    path_ = name;
  }
  ~Scratch() {
    for (const char* name : {"/socket", "/log", "/out", "/in", "/key"}) {
      unlink((path_ + name).c_str());
    }
    rmdir(path_.c_str());
  }
  std::string operator/(const char* name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

// A running pgevents-fcgi with an environment of its own; stderr goes to `log`. Killed at the end if it still runs.
class Program {
 public:
  Program(
      std::vector<std::string> arguments, std::vector<std::string> environment, const std::string& log,
      const std::function<void()>& in_child = [] {}) {
    arguments.insert(arguments.begin(), PGEVENTS_FCGI);
    pid_ = fork();
    if (pid_ != 0) {
      return;
    }
    const int null = open("/dev/null", O_RDWR);
    const int err = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    in_child();
    environment.push_back("LISTEN_PID=" + std::to_string(getpid()));
    execve(PGEVENTS_FCGI, pointers(arguments).data(), pointers(environment).data());
    _exit(127);
  }
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
    }
    if (pid_ > 0) {
      waitpid(pid_, nullptr, 0);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }

  // The exit status, once the program has ended; -1: a signal ended it.
  int exit_status() {
    int status = 0;
    wait_until("the program ends", [&] { return waitpid(pid_, &status, WNOHANG) == pid_; });
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::vector<pid_t> workers() const {
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children";
    std::istringstream words(file_text(tasks));
    std::vector<pid_t> pids;
    for (pid_t pid = 0; words >> pid;) {
      pids.push_back(pid);
    }
    return pids;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> out;
    for (std::string& word : words) {
      out.push_back(word.data());
    }
    out.push_back(nullptr);
    return out;
  }
  pid_t pid_ = 0;
};

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// One connection to a FastCGI server.
class Connection {
 public:
  explicit Connection(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = unix_address(path);
    open_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  bool is_open() const { return open_; }

  bool send(const std::string& bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

  // What the program sends as standard output of the request, up to FCGI_END_REQUEST; "" if the connection ended
  // before. What it sends for the web server's log goes to `log`.
  std::string answer(std::string* log = nullptr) {
    std::string out;
    while (true) {
      const std::string header = receive(8);
      if (header.size() < 8) {
        return "";
      }
      const auto byte = [&header](int i) { return static_cast<std::size_t>(static_cast<unsigned char>(header[i])); };
      const std::size_t size = byte(4) * 256 + byte(5);
      const std::string content = receive(size + byte(6)).substr(0, size);
      if (header[1] == 3) {
        return out;
      }
      if (header[1] == 6) {
        out += content;
      }
      if (header[1] == 7 && log != nullptr) {
        *log += content;
      }
    }
  }

 private:
  std::string receive(std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      pollfd entry{fd_, POLLIN, 0};
      assert_that(poll(&entry, 1, 10000) == 1, "an answer within ten seconds");
      const ssize_t part = recv(fd_, bytes.data() + got, size - got, 0);
      if (part <= 0) {
        break;
      }
      got += static_cast<std::size_t>(part);
    }
    bytes.resize(got);
    return bytes;
  }

  int fd_;
  bool open_ = false;
};

inline std::string record(char type, const std::string& content) {
  std::string out = {1, type, 0, 1};
  out += static_cast<char>(content.size() >> 8);
  out += static_cast<char>(content.size() & 255);
  out += std::string(2, '\0');
  return out + content;
}

// The length of a name or value (specification, section 3.4).
inline std::string pair_length(std::size_t size) {
  if (size < 128) {
    return std::string(1, static_cast<char>(size));
  }
  std::string out;
  for (const int shift : {24, 16, 8, 0}) {
    out += static_cast<char>((size >> shift & 255) | (shift == 24 ? 128 : 0));
  }
  return out;
}

inline std::string fastcgi_request(const Params& params, bool keep = false, const std::string& body = "") {
  std::string pairs;
  for (const auto& [name, value] : params) {
    pairs += pair_length(name.size()) + pair_length(value.size());
    pairs += name + value;
  }
  std::string out = record(1, std::string{0, 1, static_cast<char>(keep ? 1 : 0), 0, 0, 0, 0, 0});
  out += record(4, pairs) + record(4, "");
  if (!body.empty()) {
    out += record(5, body);
  }
  return out + record(5, "");
}

inline Params get_params(const std::string& path) {
  return {{"REQUEST_METHOD", "GET"}, {"DOCUMENT_URI", path}, {"QUERY_STRING", ""}};
}

inline std::string ask(const std::string& socket_path, const Params& params, std::string* log = nullptr) {
  Connection connection(socket_path);
  return connection.is_open() && connection.send(fastcgi_request(params)) ? connection.answer(log) : "";
}

// The line `Status: …` of an answer.
inline std::string status_of(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}

}  // namespace pgevents::testing
