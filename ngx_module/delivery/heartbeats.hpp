// The blocks that heartbeats send: a comment, with the stream's cursor if the client does not know it yet; to a
// WebSocket a ping, with its cursor. Subscribers share them.
#pragma once

#include <cstdint>

#include "ngx_module/delivery/block.hpp"

namespace pgevents::nginx {

class Heartbeats {
 public:
  // `moved`: the client does not know this cursor yet.
  BlockRef block(std::uint64_t cursor, bool moved);
  BlockRef ping();
  BlockRef ping_with(std::uint64_t cursor);

 private:
  BlockRef plain_;
  BlockRef moved_;  // with moved_cursor_: mostly all streams have the same
  std::uint64_t moved_cursor_ = 0;
  BlockRef ping_;
  BlockRef ping_with_;  // with ping_cursor_, likewise
  std::uint64_t ping_cursor_ = 0;
};

}  // namespace pgevents::nginx
