// What a subscriber has beside a stream if its connection is a WebSocket: it reads the client's frames, answers its
// messages (docs/protocol.md), and closes the connection with a code. Owned by its subscriber.
//
// One message or control frame of a connection is handled in each turn of the event loop: others get their turn between
// any two. Memory is bounded: one message at most is incomplete, and nothing more is read while the client does not
// take what is sent, or while many of its requests, or large ones, wait for their answers.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "core/metrics/reasons.hpp"
#include "core/request/client_message.hpp"
#include "core/web_socket/frame_reader.hpp"
#include "core/web_socket/messages.hpp"
#include "ngx_module/delivery/channel_join.hpp"
#include "ngx_module/http/kept_access.hpp"
#include "ngx_module/http/question.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

class Subscriber;

class WebSocket final : public Joiner {
 public:
  WebSocket(Subscriber& subscriber, const RequestContext& requests, KeptAccess&& access,
            const WebSocketOpening& opening);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  bool bare() const noexcept { return bare_; }

  // Each of these may end the subscriber, and with it this object.

  // The connection has bytes, or has ended.
  void read();
  // The subscriber has sent all: sends what has waited, and reads on. False when it may not go on.
  bool sent_all();
  // The subscriber is live, and has got everything up to now.
  void go_on();
  // Once a second. A heartbeat when it is due; or the end, if the last one was not answered, or a message took too
  // long.
  void tick(ngx_msec_t now);

  // The subscriber has left everything: what is asked is dropped.
  void leave() noexcept;
  // The close frame is sent: waits a moment for the client's.
  void linger() noexcept;

 private:
  // A request that waits for the database.
  struct Asked final : Asker {
    Asked(WebSocket& of, ClientMessage& message, RequestKind its_kind)
        : socket(of),
          number(std::move(message.number)),
          kind(its_kind),
          bytes(message.body.size()),
          head_only(message.method == "HEAD") {}
    void replied(const Reply& reply) override { socket.answer(*this, reply); }
    void failed() noexcept override;
    ngx_log_t* log() const noexcept override;

    WebSocket& socket;
    std::string number;
    RequestKind kind;
    std::size_t bytes;
    bool head_only;
    std::shared_ptr<Question> question;
  };

  // --- frames (web_socket.cpp) ---
  bool may_read() const noexcept;
  bool receive(std::string& bytes);
  bool take(std::string_view bytes);
  void handle(web_socket::FrameReader::Found found);
  void obey_close();
  void end_reading();
  void drain();
  void time_message() noexcept;
  void watch_queue() noexcept;
  bool send(std::string_view frames);
  void close(web_socket::CloseCode code, std::string_view reason);
  void read_later() noexcept;
  void read_next_turn() noexcept;
  void limit_messages();
  void pause(bool paused) noexcept;

  // --- messages (web_socket_messages.cpp): false when the client must read first, or is gone ---
  void handle_message(std::string_view text);
  void check_again();
  void obey(ClientMessage&& message);
  bool obey_in_turn();
  bool reply(std::string_view number, const Reply& reply);
  bool reject(std::string_view number, const Error& error);
  void ask(ClientMessage&& message);
  void ask(Route&& wanted, ClientMessage&& message);
  bool subscribe(const ClientMessage& message);
  bool may_join(const Subscription& subscription) const;
  bool unsubscribe(const ClientMessage& message);
  bool take_token(const ClientMessage& message);
  std::optional<Error> check_token(const Caller& next, const AccessRules& rules) const;
  Route route_of(const ClientMessage& message) const;
  void answer(Asked& asked, const Reply& reply);
  bool joined(const std::string& number, std::uint64_t cursor) override;
  bool not_joined(const std::string& number, const Error& error) override;

  Subscriber& subscriber_;
  const RequestContext& requests_;
  KeptAccess access_;
  web_socket::FrameReader reader_;
  std::string unread_;                // received, and not looked at while reading is paused
  std::string waiting_;               // frames that follow the block in flight
  std::list<Asked> asked_;            // requests that wait for the database
  std::list<ClientMessage> in_turn_;  // that change what is subscribed or who asks: one after the other
  std::unique_ptr<ChannelJoin> join_;
  std::size_t asked_bytes_ = 0;
  ngx_msec_t beat_at_ = 0;
  ngx_msec_t message_at_ = 0;  // when the message that is being read began; 0: none is
  const ngx_msec_t message_time_;
  int queued_ = -1;       // unacknowledged bytes when it was looked last since the ping; -1: not yet
  bool* gone_ = nullptr;  // not null while read() runs; set to true by the destructor
  const bool bare_;
  bool paused_ = true;       // there may be more to read
  bool unanswered_ = false;  // nothing has come since the last ping
  bool closing_ = false;     // the close frame is sent
  bool broken_ = false;      // what comes cannot be read any more
};

}  // namespace pgevents::nginx
