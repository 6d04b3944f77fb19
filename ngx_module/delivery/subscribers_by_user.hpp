// The subscribers of each user, so that a user's requests can be ended.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstdint>
#include <map>
#include <string>

#include "core/metrics/reasons.hpp"
#include "core/request/access.hpp"
#include "core/wire/control.hpp"
#include "ngx_module/zone/shared_revocations.hpp"

namespace pgevents::nginx {

class Subscriber;

// A place in a user's list. Plain, so that offsetof is defined for it.
struct UserLink {
  ngx_queue_t user_link;
  Subscriber* subscriber;
};

// Identity and expiry of a subscriber; anonymous subscribers without expiry have none.
struct SubscriberIdentity : UserLink {
  SubscriberIdentity(Subscriber& of, const Session& its_session, std::int64_t since)
      : UserLink{{}, &of}, session(its_session), since_us(since) {}

  Session session;
  std::int64_t since_us;  // when the token was issued (0: unknown); without a token, when the subscriber came
};

class SubscribersByUser {
 public:
  // `end` ends a subscriber, and with it its identity.
  using End = void (*)(Subscriber& subscriber, Ending ending) noexcept;
  explicit SubscribersByUser(End end) noexcept : end_(end) {}

  // An identity without a user is in no list; join() and leave() accept it.
  void join(SubscriberIdentity& identity);
  void leave(SubscriberIdentity& identity) noexcept;

  // Ends the subscribers that `control` concerns.
  void obey(const Control& control) noexcept;
  // Ends all subscribers whose tokens the table rejects.
  void obey(const SharedRevocations& revocations) noexcept;
  // Ends all users' subscribers: the clients reconnect, and their access is checked again.
  void send_away() noexcept;

 private:
  using Lists = std::map<std::string, ngx_queue_t>;

  template <typename Visit>
  Lists::iterator visit(Lists::iterator user, Visit&& visit);
  template <typename Visit>
  void visit_all(Visit&& visit);
  void end(const SubscriberIdentity& identity, Ending ending) noexcept { end_(*identity.subscriber, ending); }

  End end_;
  Lists lists_;           // none is empty
  ngx_queue_t marker_{};  // of visit()
};

}  // namespace pgevents::nginx
