// The messages of a WebSocket's client; see web_socket.hpp. Each is checked by the code that checks the request over
// HTTP which would ask for the same.
#include "ngx_module/delivery/web_socket.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/request/admission.hpp"
#include "core/request/request_kind.hpp"
#include "core/text/json_text.hpp"
#include "ngx_module/delivery/subscriber.hpp"
#include "ngx_module/delivery/subscriber_context.hpp"
#include "ngx_module/http/call.hpp"
#include "ngx_module/http/publish.hpp"

namespace pgevents::nginx {

using Kind = ClientMessage::Kind;
using web_socket::CloseCode;

void WebSocket::Asked::failed() noexcept {
  socket.subscriber_.give_up();
}

ngx_log_t* WebSocket::Asked::log() const noexcept {
  return socket.subscriber_.log();
}

void WebSocket::handle_message(std::string_view text) {
  if (!json_valid(text)) {
    return close(CloseCode::kInvalidText, "not JSON, or nested too deeply");
  }
  auto read = read_message(text, subscriber_.conf_.max_channels);
  if (const auto* bad = std::get_if<BadMessage>(&read)) {
    reject(bad->number, bad->error);
  } else {
    check_again();
    obey(std::move(std::get<ClientMessage>(read)));
  }
}

// At the handshake nothing could tell whether the token was revoked.
void WebSocket::check_again() {
  Caller& caller = access_.caller;
  if (caller.unchecked && !check_session(caller.session, access_.rules().access.revoked, now_seconds())) {
    caller.unchecked.reset();
    caller.session.unchecked = false;
  }
}

void WebSocket::obey(ClientMessage&& message) {
  if (message.kind == Kind::kPublish || message.kind == Kind::kCall) {
    return ask(std::move(message));
  }
  in_turn_.push_back(std::move(message));
  obey_in_turn();
}

bool WebSocket::obey_in_turn() {
  bool goes_on = true;
  while (goes_on && join_ == nullptr && !in_turn_.empty()) {
    const ClientMessage message = std::move(in_turn_.front());
    in_turn_.pop_front();
    switch (message.kind) {
      case Kind::kSubscribe:
        goes_on = subscribe(message);
        break;
      case Kind::kUnsubscribe:
        goes_on = unsubscribe(message);
        break;
      default:
        goes_on = take_token(message);
    }
  }
  return goes_on;
}

bool WebSocket::reply(std::string_view number, const Reply& reply) {
  return send(web_socket::reply_frame(number, reply));
}

bool WebSocket::reject(std::string_view number, const Error& error) {
  return reply(number, rejection(error, requests_.metrics));
}

// The page's origin was checked at the handshake.
Route WebSocket::route_of(const ClientMessage& message) const {
  Request request = request_of(message);
  request.sec_fetch_site = access_.may_write ? "same-origin" : "cross-site";
  return route_as(request, access_.rules(), access_.caller);
}

// --- publish, call ---

void WebSocket::ask(ClientMessage&& message) {
  Route wanted = route_of(message);
  const bool is_call = std::holds_alternative<Call>(wanted);
  const std::size_t limit =
      is_call ? call_body_limit(subscriber_.conf_.max_event_size) : publication_limit(subscriber_.conf_);
  if (const auto* error = std::get_if<Error>(&wanted)) {
    reject(message.number, *error);
  } else if (!is_call && message.kind == Kind::kCall) {
    reject(message.number, make_error(400, "Not a call: subscribe and publish are messages of their own"));
  } else if (message.body.size() > limit) {
    reject(message.number, body_too_large(limit));
  } else {
    ask(std::move(wanted), std::move(message));
  }
}

// The answer may come before the question returns.
void WebSocket::ask(Route&& wanted, ClientMessage&& message) {
  Asked& asked = asked_.emplace_back(*this, message, kind_of(wanted));
  asked_bytes_ += asked.bytes;
  auto* const call = std::get_if<Call>(&wanted);
  asked.question =
      call != nullptr ? make_call(asked, requests_, subscriber_.conf_, std::move(*call))
                      : make_publication(asked, requests_, subscriber_.conf_, std::move(std::get<Publication>(wanted)));
  asked.question->ask(message.body);
}

void WebSocket::answer(Asked& asked, const Reply& reply) {
  requests_.metrics.add(Metric::kRequests, asked.kind, status_label(reply.status));
  const std::string frame = web_socket::reply_frame(asked.number, reply, asked.head_only);
  asked_bytes_ -= asked.bytes;
  asked_.remove_if([&asked](const Asked& one) { return &one == &asked; });
  if (send(frame)) {
    read_later();
  }
}

// --- subscribe, unsubscribe ---

bool WebSocket::subscribe(const ClientMessage& message) {
  Route wanted = route_of(message);
  if (const auto* error = std::get_if<Error>(&wanted)) {
    return reject(message.number, *error);
  }
  auto& subscription = std::get<Subscription>(wanted);
  std::vector<std::string>& names = subscription.channels;
  const auto& all = subscriber_.memberships;
  names.erase(std::remove_if(names.begin(), names.end(),
                             [&all](const std::string& name) {
                               return std::any_of(all.begin(), all.end(),
                                                  [&name](const Membership& one) { return one.channel->name == name; });
                             }),
              names.end());
  const std::size_t most = subscriber_.conf_.max_channels;
  if (all.size() + names.size() > most) {
    return reject(message.number, make_error(400, "Too many channels (at most " + std::to_string(most) + ")"));
  }
  if (!may_join(subscription)) {
    return reject(message.number, database_away(subscriber_.poll_interval()));
  }
  join_ = std::make_unique<ChannelJoin>(*this, subscriber_, message.number, names, subscription.cursor);
  subscriber_.socket_waits_ = true;
  return join_->start();
}

// Like a poll, a message does not wait for the database. The token was checked when it came, perhaps long ago. While
// the connection itself is held, the ring does not help: nothing is sent before its own events.
bool WebSocket::may_join(const Subscription& subscription) const {
  const bool unchecked =
      check_session(access_.caller.session, access_.rules().access.revoked, now_seconds()).has_value();
  const CursorPlace place = place_of(subscription.cursor, subscriber_.context_.view.ring.snapshot());
  const Admission admission = admit(unchecked, place, Flavor::kPoll, requests_.service.log());
  return admission == Admission::kServe ||
         (admission == Admission::kServeFromRing && subscriber_.state_ != SubscriberState::kHeld);
}

bool WebSocket::unsubscribe(const ClientMessage& message) {
  for (const std::string& name : message.channels) {
    subscriber_.context_.channels.leave(subscriber_, name);
  }
  subscriber_.position_ = {};
  return reply(message.number, web_socket::success_reply());
}

// The join ends, and with it the caller and all that belongs to it.
bool WebSocket::joined(const std::string& number, std::uint64_t cursor) {
  join_.reset();
  pause(paused_);
  const bool goes_on = reply(number, web_socket::subscribed_reply(std::to_string(cursor))) && obey_in_turn();
  if (goes_on) {
    read_later();
  }
  return goes_on;
}

bool WebSocket::not_joined(const std::string& number, const Error& error) {
  join_.reset();
  pause(paused_);
  const bool goes_on = reject(number, error) && obey_in_turn();
  if (goes_on) {
    read_later();
  }
  return goes_on;
}

// --- token ---

bool WebSocket::take_token(const ClientMessage& message) {
  const RouteRules rules = access_.rules();
  if (rules.access.token.keys == nullptr || rules.access.token.keys->empty() || !rules.access.user.empty()) {
    return reject(message.number, make_error(400, "Tokens have no effect here"));
  }
  const std::string credentials = "Bearer " + message.token;
  Request request;
  request.authorization = credentials;
  auto found = identify(request, rules.access, now_seconds());
  if (const auto* error = std::get_if<Error>(&found)) {
    return reject(message.number, *error);
  }
  auto& next = std::get<Caller>(found);
  if (const auto error = check_token(next, rules.access)) {
    return reject(message.number, *error);
  }
  access_.caller = std::move(next);
  limit_messages();
  subscriber_.renew_session(access_.caller.session);
  return reply(message.number, web_socket::success_reply());
}

// The new credentials must be of the same user, and grant what is subscribed.
std::optional<Error> WebSocket::check_token(const Caller& next, const AccessRules& rules) const {
  if (next.unchecked != nullptr) {
    return *next.unchecked;
  }
  const Identity& now = access_.caller.session.identity;
  const Identity& identity = next.session.identity;
  if (!next.session.by_token || identity.user != now.user || identity.realm != now.realm) {
    return make_error(403, "The token is of another user");
  }
  for (const Membership& membership : subscriber_.memberships) {
    if (auto error = check_grant(next, rules, Action::kSubscribe, membership.channel->name)) {
      return error;
    }
  }
  return std::nullopt;
}

}  // namespace pgevents::nginx
