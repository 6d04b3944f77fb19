// The lists of users, and who is put out; see subscribers_by_user.hpp. The heads of the lists lie in the map's nodes, which stay where they are.
#include "ngx_module/delivery/subscribers_by_user.hpp"

#include "ngx_module/delivery/subscriber.hpp"

namespace pgevents::nginx {

void SubscribersByUser::join(SubscriberIdentity& identity) {
  ngx_queue_init(&identity.place.link);  // whoever is in no list may leave() all the same
  const std::string& name = identity.session.identity.user;
  if (name.empty()) {
    return;
  }
  const auto [user, is_new] = lists_.try_emplace(name);
  if (is_new) {
    ngx_queue_init(&user->second);
  }
  ngx_queue_insert_tail(&user->second, &identity.place.link);
}

// While a list is visited it is not empty, for a marker is in it.
void SubscribersByUser::leave(SubscriberIdentity& identity) noexcept {
  ngx_queue_remove(&identity.place.link);
  const auto user = lists_.find(identity.session.identity.user);
  if (user != lists_.end() && ngx_queue_empty(&user->second)) {
    lists_.erase(user);
  }
}

// The user's subscribers, whoever leaves meanwhile. Gives the next user.
template <typename Visit>
SubscribersByUser::Lists::iterator SubscribersByUser::visit(Lists::iterator user, Visit&& visit) {
  each_link(user->second, marker_, [&visit](ngx_queue_t* link) {
    const auto* place = static_cast<UserLink*>(ngx_queue_data(link, UserLink, link));
    visit(*place->subscriber);
  });
  return ngx_queue_empty(&user->second) ? lists_.erase(user) : std::next(user);
}

template <typename Visit>
void SubscribersByUser::visit_all(Visit&& visit) {
  for (auto user = lists_.begin(); user != lists_.end();) {
    user = this->visit(user, visit);
  }
}

// Who came without a token has nothing that could be too old. (A revocation that is taken back concerns nobody.)
void SubscribersByUser::obey(const Control& control) noexcept {
  const auto user = lists_.find(control.user);
  if (user == lists_.end()) {
    return;
  }
  visit(user, [&control](Subscriber& subscriber) {
    const SubscriberIdentity& identity = *subscriber.identity();
    if (control.kind == Control::Kind::kDisconnect) {
      subscriber.end(Ending::kSentAway);
    } else if (identity.session.by_token ? identity.since_us < control.before_us : control.before_us > 0) {
      subscriber.end(Ending::kRevoked);
    }
  });
}

void SubscribersByUser::obey(const SharedRevocations& revocations) noexcept {
  visit_all([&revocations](Subscriber& subscriber) {
    const SubscriberIdentity& identity = *subscriber.identity();
    if (revocations.refuses(identity.session.identity.user, identity.since_us)) {
      subscriber.end(Ending::kRevoked);
    }
  });
}

void SubscribersByUser::send_away() noexcept {
  visit_all([](Subscriber& subscriber) { subscriber.end(Ending::kSentAway); });
}

}  // namespace pgevents::nginx
