// See registration.hpp.
#include "ngx_module/delivery/registration.hpp"

#include <utility>

#include "ngx_module/delivery/subscriber_context.hpp"

namespace pgevents::nginx {

void Registration::introduce(const SubscriberContext& context, Subscriber& subscriber, const Session& session) {
  if (session.identity.user.empty() && !session.expires_at) {
    return;
  }
  const auto now_us = static_cast<std::int64_t>(now_seconds() * 1e6);
  identity_ = std::make_unique<SubscriberIdentity>(subscriber, session, session.by_token ? session.issued_us : now_us);
  context.users.join(*identity_);
}

void Registration::renew(const SubscriberContext& context, Subscriber& subscriber, const Session& session) {
  if (identity_ != nullptr) {
    context.users.leave(*identity_);
    identity_.reset();
  }
  introduce(context, subscriber, session);
}

void Registration::count_as_contact(const SubscriberContext& context) {
  if (context.connection_tracker != nullptr && contact_ == nullptr && identity_ != nullptr &&
      !identity_->session.identity.user.empty()) {
    contact_ = &context.connection_tracker->join(identity_->session.identity);
  }
}

// Each user has wait ids of their own, so that no user keeps another from waiting. The anonymous clients of a realm
// share theirs. If the table is full, the request waits as if it had no wait id.
bool Registration::take_wait_id(const SubscriberContext& context, const Identity& identity,
                                const std::string& wait_id) {
  const std::string key = identity.realm + '\0' + identity.user + '\0' + wait_id;
  return context.wait_ids.acquire(key, context.self, wait_slot_) != WaitIds::Result::kBusy;
}

void Registration::leave(const SubscriberContext& context, ngx_msec_t linger) noexcept {
  if (wait_slot_ != kNoSlot) {
    context.wait_ids.release(wait_slot_, context.self);
  }
  if (identity_ != nullptr) {
    context.users.leave(*identity_);
  }
  if (contact_ != nullptr) {
    context.connection_tracker->leave(*std::exchange(contact_, nullptr), linger);
  }
}

std::optional<double> Registration::expires_at() const noexcept {
  return identity_ == nullptr ? std::nullopt : identity_->session.expires_at;
}

}  // namespace pgevents::nginx
