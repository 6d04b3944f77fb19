// The worker's channels; see channels.hpp.
#include "ngx_module/delivery/subscriber.hpp"

#include "ngx_module/delivery/channels.hpp"

namespace pgevents::nginx {

Channel& Channels::join(const std::string& name, Subscriber* subscriber, std::uint64_t seen_id) {
  const std::uint64_t hash = ring_.hash(name);
  Channel* found = nullptr;
  with_hash(hash, [&](Channel& channel) { found = channel.name == name ? &channel : found; });
  if (found == nullptr) {
    Channel channel;
    channel.name = name;
    channel.hash = hash;
    channel.last_id = seen_id;
    found = &by_hash_.emplace(hash, std::move(channel))->second;
  }
  found->members.push_back(subscriber);
  return *found;
}

// The last member takes the freed place. A round serves from the end to the beginning, so whoever is moved down either had its turn
// or gets it again, which is harmless.
void Channels::leave(const Membership& membership) noexcept {
  Channel& channel = *membership.channel;
  Subscriber* last = channel.members.back();
  channel.members[membership.index] = last;
  channel.members.pop_back();
  if (membership.index < channel.members.size()) {
    last->moved(channel, membership.index);
  }
  drop_if_unused(channel);
}

void Channels::drop_if_unused(Channel& channel) noexcept {
  if (!channel.members.empty() || channel.queued) {
    return;
  }
  const auto [from, to] = by_hash_.equal_range(channel.hash);
  for (auto it = from; it != to; ++it) {
    if (&it->second == &channel) {
      by_hash_.erase(it);
      return;
    }
  }
}

}  // namespace pgevents::nginx
