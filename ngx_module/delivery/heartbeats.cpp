// See heartbeats.hpp.
#include "ngx_module/delivery/heartbeats.hpp"

#include <string>

#include "core/web_socket/frame.hpp"
#include "core/web_socket/messages.hpp"
#include "core/wire/reply.hpp"

namespace pgevents::nginx {

BlockRef Heartbeats::block(std::uint64_t cursor, bool moved) {
  if (!moved) {
    if (plain_ == nullptr) {
      plain_ = text_block(":\n\n");
    }
    return plain_;
  }
  if (moved_ == nullptr || moved_cursor_ != cursor) {
    moved_ = text_block(":\n" + stream_cursor(cursor));
    moved_cursor_ = cursor;
  }
  return moved_;
}

BlockRef Heartbeats::ping() {
  if (ping_ == nullptr) {
    std::string frame;
    web_socket::append_frame(frame, web_socket::Opcode::kPing, {});
    ping_ = text_block(frame);
  }
  return ping_;
}

BlockRef Heartbeats::ping_with(std::uint64_t cursor) {
  if (ping_with_ == nullptr || ping_cursor_ != cursor) {
    std::string frames = web_socket::cursor_frame(std::to_string(cursor));
    web_socket::append_frame(frames, web_socket::Opcode::kPing, {});
    ping_with_ = text_block(frames);
    ping_cursor_ = cursor;
  }
  return ping_with_;
}

}  // namespace pgevents::nginx
