// See subscribers_by_user.hpp. The heads of the lists lie in the map's nodes, which never move.
#include "ngx_module/delivery/subscribers_by_user.hpp"

#include <iterator>

namespace pgevents::nginx {

void SubscribersByUser::join(SubscriberIdentity& identity) {
  ngx_queue_init(&identity.user_link);  // so that leave() accepts an identity that is in no list
  const std::string& name = identity.session.identity.user;
  if (name.empty()) {
    return;
  }
  const auto [user, is_new] = lists_.try_emplace(name);
  if (is_new) {
    ngx_queue_init(&user->second);
  }
  ngx_queue_insert_tail(&user->second, &identity.user_link);
}

// While visit() goes through a list, its marker keeps the list from being empty.
void SubscribersByUser::leave(SubscriberIdentity& identity) noexcept {
  ngx_queue_remove(&identity.user_link);
  const auto user = lists_.find(identity.session.identity.user);
  if (user != lists_.end() && ngx_queue_empty(&user->second)) {
    lists_.erase(user);
  }
}

// Visits the user's subscribers, which may leave meanwhile. Returns the next user.
template <typename Visit>
SubscribersByUser::Lists::iterator SubscribersByUser::visit(Lists::iterator user, Visit&& visit) {
  each_link(user->second, marker_, [&visit](ngx_queue_t* link) {
    const auto* place = static_cast<UserLink*>(ngx_queue_data(link, UserLink, user_link));
    visit(static_cast<const SubscriberIdentity&>(*place));
  });
  return ngx_queue_empty(&user->second) ? lists_.erase(user) : std::next(user);
}

template <typename Visit>
void SubscribersByUser::visit_all(Visit&& visit) {
  for (auto user = lists_.begin(); user != lists_.end();) {
    user = this->visit(user, visit);
  }
}

// Users without a token have no token that could be too old: a revocation ends all their requests. A revocation that is
// taken back (before_us is 0) concerns no request.
void SubscribersByUser::obey(const Control& control) noexcept {
  const auto user = lists_.find(control.user);
  if (user == lists_.end()) {
    return;
  }
  visit(user, [this, &control](const SubscriberIdentity& identity) {
    if (control.kind == Control::Kind::kDisconnect) {
      end(identity, Ending::kDisconnected);
    } else if (identity.session.by_token ? identity.since_us < control.before_us : control.before_us > 0) {
      end(identity, Ending::kRevoked);
    }
  });
}

void SubscribersByUser::obey(const SharedRevocations& revocations) noexcept {
  visit_all([this, &revocations](const SubscriberIdentity& identity) {
    if (revocations.rejects(identity.session.identity.user, identity.since_us)) {
      end(identity, Ending::kRevoked);
    }
  });
}

void SubscribersByUser::send_away() noexcept {
  visit_all([this](const SubscriberIdentity& identity) { end(identity, Ending::kRecheck); });
}

}  // namespace pgevents::nginx
