// The ring as far as this worker has read it. RingFollower moves it on, BlockMaker and subscribers look at it.
#pragma once

#include <cstdint>

#include "core/shared/ring.hpp"

namespace pgevents::nginx {

struct RingView {
  const Ring& ring;
  // The newest id that the worker has read, in order. Subscribers get nothing newer: a subscriber of two channels could
  // otherwise get a newer event of one and then skip an older event of the other.
  std::uint64_t seen_id = 0;
};

}  // namespace pgevents::nginx
