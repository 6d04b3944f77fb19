// The states of a subscriber, and which may follow which. docs/architecture.md has the drawing.
#pragma once

#include <cstdint>

namespace pgevents::nginx {

enum class SubscriberState : std::uint8_t {
  kNew,         // start() has not decided yet
  kLocating,    // the log is asked where it begins
  kCatchingUp,  // the log is asked for the page behind its cursor
  kLive,        // served from the ring; if it was held before it began, it is located as soon as the client takes more
  kHeld,        // waits until the log can be asked: for a place in Catchup, or up to a second
  kEnded,       // has left everything; only nginx still keeps the request
};

inline const char* name_of(SubscriberState state) noexcept {
  static constexpr const char* kNames[] = {"new", "locating", "catching up", "live", "held", "ended"};
  return kNames[static_cast<int>(state)];
}

// Whether `to` may follow `from`.
constexpr bool may_follow(SubscriberState from, SubscriberState to) noexcept {
  using State = SubscriberState;
  switch (from) {
    case State::kNew:
    case State::kLocating:  // again, if the log was restored meanwhile
      return to != State::kNew && to != State::kCatchingUp;
    case State::kCatchingUp:
      return to == State::kLive || to == State::kHeld || to == State::kEnded;
    case State::kLive:
      return to != State::kNew && to != State::kLive;
    case State::kHeld:
      return to == State::kLive || to == State::kEnded;
    case State::kEnded:
      break;
  }
  return false;
}

}  // namespace pgevents::nginx
