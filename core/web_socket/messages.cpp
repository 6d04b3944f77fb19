// See messages.hpp.
#include "core/web_socket/messages.hpp"

#include "core/web_socket/frame.hpp"
#include "core/wire/event.hpp"

namespace pgevents::web_socket {

void append_event(std::string& out, std::string_view object) {
  append_frame(out, Opcode::kText, object);
}

void append_bare_event(std::string& out, std::string_view type, std::string_view inner) {
  std::string object = "{\"type\":\"";
  append_json_escaped(object, type);
  object.append("\",\"data\":").append(inner).append(1, '}');
  append_frame(out, Opcode::kText, object);
}

std::string cursor_frame(std::string_view cursor) {
  std::string frame;
  append_frame(frame, Opcode::kText, "{\"cursor\":\"" + std::string(cursor) + "\"}");
  return frame;
}

std::string reply_frame(std::string_view number, const Reply& reply, bool head_only) {
  std::string object = "{\"reply\":";
  object.append(number).append(",\"status\":").append(std::to_string(reply.status)).append(",\"body\":");
  object.append(head_only || reply.body.empty() ? "null" : reply.body).append(1, '}');
  std::string frame;
  append_frame(frame, Opcode::kText, object);
  return frame;
}

Reply subscribed_reply(std::string_view cursor) {
  Reply reply;
  reply.body = "{\"result\":\"success\",\"last_event_id\":\"" + std::string(cursor) + "\"}";
  return reply;
}

Reply success_reply() {
  Reply reply;
  reply.body = "{\"result\":\"success\"}";
  return reply;
}

std::string expired_frame(std::string_view cursor, std::string_view reason, std::string_view channel,
                          std::int64_t ts_us) {
  std::string frame;
  append_frame(frame, Opcode::kText, expired_object(cursor, reason, channel, ts_us));
  return frame;
}

}  // namespace pgevents::web_socket
