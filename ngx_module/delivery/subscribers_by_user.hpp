// Whose a worker's subscribers are, so that those of a user can be put out.
#pragma once

#include "ngx_module/nginx.hpp"

#include <map>
#include <string>

#include "core/request/access.hpp"
#include "core/wire/control.hpp"
#include "ngx_module/zone/shared_revocations.hpp"

namespace pgevents::nginx {

class Subscriber;

// A place in a user's list. Plain, so that offsetof is defined for it.
struct UserLink {
  ngx_queue_t link;
  Subscriber* subscriber;
};

// What a subscriber has besides who is somebody, or may stay for a limited time only.
struct SubscriberIdentity {
  UserLink place;
  Session session;
  std::int64_t since_us;  // when the token was issued (0: it does not say); without a token, when the subscriber came
};

class SubscribersByUser {
 public:
  // Nothing is done with guests who have no name.
  void join(SubscriberIdentity& identity);
  void leave(SubscriberIdentity& identity) noexcept;

  // Ends those whom `control` means.
  void obey(const Control& control) noexcept;
  // Ends all those whom the table refuses.
  void obey(const SharedRevocations& revocations) noexcept;
  // Ends all, to come back and be looked at again.
  void send_away() noexcept;

 private:
  using Lists = std::map<std::string, ngx_queue_t>;

  template <typename Visit>
  Lists::iterator visit(Lists::iterator user, Visit&& visit);
  template <typename Visit>
  void visit_all(Visit&& visit);

  Lists lists_;           // none is empty
  ngx_queue_t marker_{};  // of visit()
};

}  // namespace pgevents::nginx
