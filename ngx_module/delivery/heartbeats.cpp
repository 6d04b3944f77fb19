// See heartbeats.hpp.
#include "ngx_module/delivery/heartbeats.hpp"

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

}  // namespace pgevents::nginx
