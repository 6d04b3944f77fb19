// Channels that a WebSocket's client subscribes to while it has others: register, then catch up, then live, as for a
// subscriber. The subscriber joins them muted; this reads their events behind the cursor that the client has given,
// from the log and the ring, and in the end they go over to the subscriber's own cursor, or to one that is before both.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "core/wire/cursor.hpp"
#include "core/wire/error.hpp"
#include "ngx_module/delivery/catchup.hpp"
#include "ngx_module/delivery/channels.hpp"

namespace pgevents::nginx {

class Subscriber;

// Who has asked for channels, under a number of its client's. Each of these ends the join. False when nothing more can
// be read from the client now, or it is gone.
class Joiner {
 public:
  virtual bool joined(const std::string& number, std::uint64_t cursor) = 0;
  virtual bool not_joined(const std::string& number, const Error& error) = 0;

 protected:
  ~Joiner() = default;
};

class ChannelJoin final : public PageWaiter {
 public:
  // `names`: channels that the subscriber has not joined; perhaps none.
  ChannelJoin(Joiner& joiner, Subscriber& subscriber, std::string number, const std::vector<std::string>& names,
              const Cursor& start);
  ~ChannelJoin();
  ChannelJoin(const ChannelJoin&) = delete;
  ChannelJoin& operator=(const ChannelJoin&) = delete;

  // Each of these may end the join, and the subscriber.

  // Once. False when nothing more can be read from the client now.
  bool start();
  // The subscriber is live and has sent all: goes on, if it waits for that.
  void step();

  void page_arrived(Page& page) noexcept override;
  void page_failed() noexcept override;

 private:
  void ask_log();
  void take(Page& page);
  bool ring_covers_cursor() const noexcept;
  void finish();
  void fail(const Error& error);

  Joiner& joiner_;
  Subscriber& subscriber_;
  std::string number_;
  std::vector<Membership> channels_;  // to be read; their index does not count
  Cursor start_;
  bool located_;        // cursor_ stands for the start
  bool asked_ = false;  // the log
  std::uint64_t cursor_;
  std::uint64_t checked_epoch_ = 0;  // the ring epoch in which the log confirmed the cursor
  std::uint64_t asked_epoch_ = 0;
  std::uint64_t asked_floor_ = 0;
};

}  // namespace pgevents::nginx
