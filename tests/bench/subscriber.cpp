#include "subscriber.hpp"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace bench {

namespace {

// One buffer for all subscribers: everything is consumed before the next read, except what `partial_` keeps.
std::array<char, 262144> read_buffer;

// The number at the start of `text`, in microseconds if it has a fraction of six digits.
std::int64_t number_at(std::string_view text) {
  std::int64_t value = 0;
  for (const char c : text) {
    if (c == '.') continue;
    if (c < '0' || c > '9') break;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

Subscriber::Subscriber(const SubscriberSetup& setup, std::string path, std::string headers, std::uint32_t source)
    : setup_(setup), path_(std::move(path)), headers_(std::move(headers)), source_(source) {}

Subscriber::~Subscriber() {
  close();
}

void Subscriber::open() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket (descriptors? see ulimit -n)");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(source_);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 ||
      (connect(fd_, reinterpret_cast<const sockaddr*>(&setup_.server), sizeof setup_.server) != 0 &&
       errno != EINPROGRESS)) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  reader_.reset();
  partial_.clear();
  requested_ = false;
  setup_.loop.add(fd_, this);
}

void Subscriber::close() {
  stopped_ = true;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Subscriber::on_ready(std::uint32_t events) {
  if (fd_ < 0) return;
  if (!requested_ && (events & EPOLLOUT) != 0) send_request();
  if (fd_ < 0) return;  // the server refused the connection
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) == 0) return;
  for (;;) {
    const ssize_t size = recv(fd_, read_buffer.data(), read_buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return on_closed();
    ++setup_.stats.reads;
    setup_.stats.bytes += static_cast<std::uint64_t>(size);
    if (!reader_.feed({read_buffer.data(), static_cast<std::size_t>(size)}, *this)) {
      ++setup_.stats.bad_answers;
      return close();
    }
    // A short read has emptied the socket, and new data is a new edge; EPOLLRDHUP reports the end of the connection.
    if (static_cast<std::size_t>(size) < read_buffer.size() && (events & EPOLLRDHUP) == 0) return;
    if (fd_ < 0) return;
  }
}

void Subscriber::send_request() {
  requested_ = true;
  std::string request = "GET " + path_ + " HTTP/1.1\r\nHost: bench\r\n";
  if (setup_.flavor == Flavor::kEventStream) request += "Accept: text/event-stream\r\n";
  if (setup_.flavor == Flavor::kWebSocket) {
    request +=
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  }
  request += headers_;
  request += last_id_ == 0 ? cursor_ : "Last-Event-ID: " + std::to_string(last_id_) + "\r\n";
  request += "\r\n";
  const ssize_t sent = send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) return on_closed();
  if (setup_.flavor == Flavor::kLongPoll && !opened_) {
    opened_ = true;
    ++setup_.stats.opened;
  }
}

void Subscriber::on_head(const ResponseHead& head) {
  accepted_ = head.status == (setup_.flavor == Flavor::kWebSocket ? 101 : 200);
  if (setup_.flavor != Flavor::kLongPoll) {
    if (accepted_ && !opened_) {
      opened_ = true;
      ++setup_.stats.opened;
    }
  } else if (setup_.cursor == Cursor::kPgevents) {
    cursor_ = "Last-Event-ID: ";
    cursor_ += head.field("Last-Event-ID");
    cursor_ += "\r\n";
  } else {
    cursor_ = "If-Modified-Since: ";
    cursor_ += head.field("Last-Modified");
    cursor_ += "\r\nIf-None-Match: ";
    cursor_ += head.field("Etag");
    cursor_ += "\r\n";
  }
  if (!accepted_) ++setup_.stats.bad_answers;
}

void Subscriber::on_body(std::string_view piece) {
  if (!accepted_) return;
  if (setup_.flavor == Flavor::kLongPoll) {
    partial_.append(piece);
    return;
  }
  if (setup_.flavor == Flavor::kWebSocket) return on_frames(piece);
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return;
    }
    if (partial_.empty()) {
      on_line(piece.substr(0, end));
    } else {
      partial_.append(piece.substr(0, end));
      on_line(partial_);
      partial_.clear();
    }
    piece.remove_prefix(end + 1);
  }
}

// Whole frames without a mask, as servers send them. A ping is answered, with a mask of zeros.
void Subscriber::on_frames(std::string_view piece) {
  std::string whole;
  if (!partial_.empty()) {
    whole = std::exchange(partial_, {}).append(piece);
    piece = whole;
  }
  while (piece.size() >= 2) {
    const auto byte = [&piece](std::size_t at) { return static_cast<unsigned char>(piece[at]); };
    const std::size_t head = byte(1) == 127 ? 10 : byte(1) == 126 ? 4 : 2;
    if (piece.size() < head) break;
    std::size_t size = head == 2 ? byte(1) : 0;
    for (std::size_t at = 2; at < head; ++at) size = size << 8 | byte(at);
    if (piece.size() < head + size) break;
    if ((byte(0) & 15) == 9) {
      constexpr std::string_view kPong("\x8a\x80\0\0\0\0", 6);
      send(fd_, kPong.data(), kPong.size(), MSG_NOSIGNAL);
    } else {
      note_events(piece.substr(head, size));
    }
    piece.remove_prefix(head + size);
  }
  partial_ = piece;
}

void Subscriber::on_end() {
  if (setup_.flavor != Flavor::kLongPoll) return;
  ++setup_.stats.responses;
  note_events(partial_);
  partial_.clear();
  if (!stopped_) send_request();
}

void Subscriber::on_line(std::string_view line) {
  if (line.size() > 5 && line.substr(0, 5) == "data:") {
    note_events(line.substr(5));
  } else if (setup_.on_lost) {
    note_field(line);
  }
}

// What a client needs to connect again.
void Subscriber::note_field(std::string_view line) {
  if (line.substr(0, 4) == "id: ") {
    last_id_ = static_cast<std::uint64_t>(number_at(line.substr(4)));
  } else if (line.substr(0, 7) == "retry: ") {
    retry_ms_ = static_cast<std::uint32_t>(number_at(line.substr(7)));
  }
}

// Finds every `"n":SEQUENCE,"t":TIME` that the generator itself wrote, and the event's `"ts":` before it.
void Subscriber::note_events(std::string_view text) {
  const std::int64_t now = wall_us();
  Stats& stats = setup_.stats;
  for (std::size_t at = text.find("\"n\":"); at != std::string_view::npos; at = text.find("\"n\":")) {
    const std::size_t commit = text.substr(0, at).find("\"ts\":");
    const std::size_t time = text.find("\"t\":", at);
    if (time == std::string_view::npos) return;
    const std::int64_t sent = number_at(text.substr(time + 4));
    const auto sequence = static_cast<std::uint32_t>(number_at(text.substr(at + 4)));
    // A busy server may read a long poll's first request after the first event; the generator cannot see when.
    if (setup_.flavor == Flavor::kLongPoll && sequence_.last() == 0) sequence_.start_at(sequence, stats);
    sequence_.note(sequence, stats);
    if (stats.events++ == 0) stats.first_us = now;
    if (channels_ != 0 && sequence != 0) {
      const std::size_t index = std::size_t{sequence - 1} * channels_ + channel_;
      if (stats.probe.size() <= index) stats.probe.resize(index + 1);
      stats.probe[index] = now;
    }
    if (sent >= stats.measure_from) {
      stats.delay.add(now - sent);
      if (sent >= stats.late_from) stats.late_delay.add(now - sent);
      if (commit != std::string_view::npos) stats.commit_delay.add(now - number_at(text.substr(commit + 5)));
    }
    text.remove_prefix(time + 4);
  }
}

// The server may close a long poll's connection between two answers (keepalive_requests), but not a stream's.
void Subscriber::on_closed() {
  const bool may_reopen = setup_.flavor == Flavor::kLongPoll && opened_ && !stopped_;
  ::close(fd_);
  fd_ = -1;
  if (!stopped_) ++setup_.stats.closed;
  if (may_reopen) open();
  if (setup_.on_lost && !stopped_) {
    setup_.stats.opened -= opened_ ? 1 : 0;
    opened_ = false;
    setup_.on_lost(*this);
  }
}

}  // namespace bench
