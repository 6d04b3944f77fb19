// See delivery.hpp.
#include "ngx_module/delivery/delivery.hpp"

#include "ngx_module/delivery/subscriber.hpp"

namespace pgevents::nginx {
namespace {

void end_subscriber(Subscriber& subscriber, Ending ending) noexcept {
  subscriber.end(ending);
}

void release_request(ReleaseLink& link) noexcept {
  static_cast<Subscriber&>(link).release_request();
}

}  // namespace

Delivery::Delivery(const Sources& sources, ngx_log_t* log)
    : view_{sources.ring},
      channels_(sources.ring, sources.metrics),
      users_(end_subscriber),
      block_maker_(view_),
      releases_(release_request, log),
      turns_([this] { scheduler_.slice(); }, log),
      catchup_(
          sources.pool, [this](bool page) { scheduler_.place_is_free(page); }, sources.metrics, log),
      scheduler_(turns_, channels_, catchup_, clock_),
      follower_(view_, sources.root, sources.revocations, {channels_, turns_, users_, subscribers_, sources.metrics},
                sources.pool.database(), log),
      context_{
          view_,        block_maker_,    catchup_,    channels_,       turns_,           releases_,
          subscribers_, users_,          heartbeats_, sources.service, sources.wait_ids, sources.connection_tracker,
          sources.self, sources.metrics, clock_} {}

void Delivery::tick() noexcept {
  subscribers_.each([](Subscriber& subscriber) { subscriber.tick(ngx_current_msec); });
}

std::size_t Delivery::subscribers_of(std::uint64_t hash) noexcept {
  std::size_t count = 0;
  channels_.with_hash(hash, [&count](const Channel& channel) { count += channel.members.size(); });
  return count;
}

void Delivery::end_all() noexcept {
  subscribers_.each([](Subscriber& subscriber) { subscriber.end(Ending::kLeaving); });
}

}  // namespace pgevents::nginx
