// One subscriber of the load generator: opens its connection, asks for its channel by event stream or long poll, and
// counts every event that it receives. Owned by main; lives until the end of the run.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "http_reader.hpp"
#include "loop.hpp"
#include "stats.hpp"

namespace bench {

enum class Flavor : std::uint8_t { kEventStream, kLongPoll, kWebSocket };
enum class Cursor : std::uint8_t { kPgevents, kNchan };

class Subscriber;

// Shared by all subscribers.
struct SubscriberSetup {
  Loop& loop;
  Stats& stats;
  sockaddr_in server;
  Flavor flavor;
  Cursor cursor;  // how a long poll sends its cursor
  // Called when the server has ended a stream; it may be opened again then, behind its last event. Empty: it stays
  // closed.
  std::function<void(Subscriber&)> on_lost = {};
};

class Subscriber final : public Handler, private HttpSink {
 public:
  // `headers`: further header lines of its requests; `source`: the local address, in host byte order (more than 28,000
  // connections to one port need several).
  Subscriber(const SubscriberSetup& setup, std::string path, std::string headers, std::uint32_t source);
  ~Subscriber() override;
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Makes it the first subscriber of its channel, the n-th of this many: its arrivals are recorded one by one.
  void be_probe(std::uint32_t channel, std::uint32_t channels) {
    channel_ = channel;
    channels_ = channels;
  }
  // The cursor of its first request.
  void start_behind(std::uint64_t id) { cursor_ = "Last-Event-ID: " + std::to_string(id) + "\r\n"; }
  void open();
  // Closes the connection; later data is not counted.
  void close();
  std::uint32_t last_sequence() const { return sequence_.last(); }
  // How long the server wants a client to wait before it connects again.
  std::uint32_t retry_ms() const { return retry_ms_; }
  void on_ready(std::uint32_t events) override;

 private:
  void on_head(const ResponseHead& head) override;
  void on_body(std::string_view piece) override;
  void on_end() override;
  void send_request();
  void on_line(std::string_view line);
  void note_field(std::string_view line);
  void on_frames(std::string_view piece);
  void note_events(std::string_view text);
  void on_closed();

  const SubscriberSetup& setup_;
  std::string path_;
  std::string headers_;
  std::string partial_;  // an event stream's incomplete line or frame, or a long poll's body
  std::string cursor_;   // header lines of a request, or of a long poll's next one
  HttpReader reader_;
  Sequence sequence_;
  std::uint64_t last_id_ = 0;
  std::uint32_t retry_ms_ = 1000;
  std::uint32_t source_;
  int fd_ = -1;
  bool requested_ = false;
  bool opened_ = false;
  bool accepted_ = false;  // the answer was 200 or 101
  bool stopped_ = false;
  std::uint32_t channel_ = 0;
  std::uint32_t channels_ = 0;  // 0: no probe
};

}  // namespace bench
