// What a subscriber takes for its user: a place among the user's subscribers, a contact, a wait id.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/request/access.hpp"
#include "ngx_module/delivery/subscribers_by_user.hpp"
#include "ngx_module/presence/connection_tracker.hpp"

namespace pgevents::nginx {

struct SubscriberContext;

class Registration {
 public:
  // Keeps the session of a user, or one that expires.
  void introduce(const SubscriberContext& context, Subscriber& subscriber, const Session& session);
  // Likewise, with new credentials of the same user.
  void renew(const SubscriberContext& context, Subscriber& subscriber, const Session& session);
  // From now on the subscriber counts as a contact of its user, if it has one.
  void count_as_contact(const SubscriberContext& context);
  // False when another request waits with this id.
  bool take_wait_id(const SubscriberContext& context, const Identity& identity, const std::string& wait_id);
  // Gives everything back. `linger`: how long the user counts as still connected, in milliseconds.
  void leave(const SubscriberContext& context, ngx_msec_t linger) noexcept;

  // Null for an anonymous subscriber without expiry.
  const Session* session() const noexcept { return identity_ == nullptr ? nullptr : &identity_->session; }
  std::optional<double> expires_at() const noexcept;

 private:
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;

  std::unique_ptr<SubscriberIdentity> identity_;
  ConnectionTracker::TrackedUser* contact_ = nullptr;
  std::uint32_t wait_slot_ = kNoSlot;
};

}  // namespace pgevents::nginx
