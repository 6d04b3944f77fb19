// Gives the turns: serves channels and subscribers from TurnQueues in slices, so that other connections of the worker
// get theirs.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/delivery/catchup.hpp"
#include "ngx_module/delivery/channels.hpp"
#include "ngx_module/delivery/turn_clock.hpp"
#include "ngx_module/delivery/turn_queues.hpp"

namespace pgevents::nginx {

class TurnScheduler {
 public:
  TurnScheduler(TurnQueues& queues, Channels& channels, const Catchup& catchup, TurnClock& clock) noexcept
      : queues_(queues), channels_(channels), catchup_(catchup), clock_(clock) {}

  void slice() noexcept;

  // Subscribers that wait may ask the log again, those that paused too. While `serving` is false they may not.
  void retry(bool serving) noexcept;
  // For Catchup: a place is free. If its query failed (no page), the other subscribers wait until the next retry().
  void place_is_free(bool page) noexcept;

 private:
  bool serve_channels(int& budget) noexcept;
  bool serve_channel(Channel& channel, int& budget) noexcept;
  void serve_late(int budget) noexcept;
  bool may_resume() const noexcept { return resuming_ && queues_.has_waiting() && catchup_.has_place(); }
  void resume_waiting(int budget) noexcept;

  TurnQueues& queues_;
  Channels& channels_;
  const Catchup& catchup_;
  TurnClock& clock_;
  bool resuming_ = false;  // the log can be asked, as far as is known
};

}  // namespace pgevents::nginx
