// See channels.hpp.
#include "ngx_module/delivery/channels.hpp"

#include <algorithm>
#include <utility>

namespace pgevents::nginx {

void Channels::join(ChannelMember& member, const std::vector<std::string>& names, std::uint64_t seen_id,
                    std::uint64_t after) {
  member.memberships.reserve(member.memberships.size() + names.size());
  for (const std::string& name : names) {
    Channel& channel = find_or_add(name, seen_id);
    channel.members.push_back(&member);
    member.memberships.push_back({&channel, channel.members.size() - 1, after});
  }
}

Channel& Channels::find_or_add(const std::string& name, std::uint64_t seen_id) {
  const std::uint64_t hash = ring_.hash(name);
  Channel* found = nullptr;
  with_hash(hash, [&](Channel& channel) { found = channel.name == name ? &channel : found; });
  if (found != nullptr) {
    return *found;
  }
  Channel channel;
  channel.name = name;
  channel.hash = hash;
  channel.last_id = seen_id;
  Channel& added = by_hash_.emplace(hash, std::move(channel))->second;
  metrics_.add(Metric::kChannels);
  return added;
}

void Channels::leave(ChannelMember& member) noexcept {
  for (const Membership& membership : member.memberships) {
    leave(membership);
  }
  member.memberships.clear();
}

void Channels::leave(ChannelMember& member, const std::string& name) noexcept {
  auto& all = member.memberships;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Membership& one) { return one.channel->name == name; });
  if (found != all.end()) {
    const Membership left = *found;
    all.erase(found);
    leave(left);
  }
}

// The last member takes the place that becomes free. A round serves from the end to the beginning, so the member that
// moves down either had its turn or gets it a second time, which is harmless.
void Channels::leave(const Membership& membership) noexcept {
  Channel& channel = *membership.channel;
  ChannelMember* const last = channel.members.back();
  channel.members[membership.index] = last;
  channel.members.pop_back();
  if (membership.index < channel.members.size()) {
    for (Membership& moved : last->memberships) {
      if (moved.channel == &channel) {
        moved.index = membership.index;
        break;
      }
    }
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
      metrics_.subtract(Metric::kChannels);
      return;
    }
  }
}

}  // namespace pgevents::nginx
