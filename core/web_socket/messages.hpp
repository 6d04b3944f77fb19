// The frames that a WebSocket sends in the dialect pgevents.v1 (docs/protocol.md), and those without an envelope.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/wire/reply.hpp"

namespace pgevents::web_socket {

// An event: `object` is that of append_json().
void append_event(std::string& out, std::string_view object);

// `{"type":…,"data":…}`: `type` and inner data of the event.
void append_bare_event(std::string& out, std::string_view type, std::string_view inner);

// `{"cursor":"434"}`; `cursor` as cursor_text() gives it.
std::string cursor_frame(std::string_view cursor);

// `{"reply":3,"status":201,"body":{…}}`; `number` as the client has written it. `head_only`: without the body.
std::string reply_frame(std::string_view number, const Reply& reply, bool head_only = false);

// The answer to a subscription: everything up to this cursor was sent.
Reply subscribed_reply(std::string_view cursor);
Reply success_reply();

// The last event of a connection whose token expired or was revoked, as in a stream.
std::string expired_frame(std::string_view cursor, std::string_view reason, std::string_view channel,
                          std::int64_t ts_us);

}  // namespace pgevents::web_socket
