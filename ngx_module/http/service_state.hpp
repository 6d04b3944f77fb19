// Whether this worker can serve a request now: a listener follows the log, the worker stays, and the user's tokens are
// not revoked. Asked by the handler, by requests that one statement answers, and by subscribers; owned by the
// database's worker.
#pragma once

#include "ngx_module/nginx.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/request/access.hpp"
#include "core/request/admission.hpp"
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class ServiceState {
 public:
  ServiceState(const SharedRoot& root, const SharedRevocations& revocations, bool has_primary) noexcept
      : root_(root), revocations_(revocations), has_primary_(has_primary) {}

  // False while no listener follows the log: requests are declined, served from the ring, held or rejected (see
  // admit()). This worker does not see what happens meanwhile: the table of revocations is stale from that moment on,
  // however short it lasts, because nothing distinguishes a database that is down from one that is only cut off.
  bool serving() const noexcept { return root_.connected.load(std::memory_order_acquire) != 0; }

  // For admit().
  LogState log() const noexcept { return serving() ? LogState::kFollowed : LogState::kAway; }

  // The worker has to leave: it answers what waits, and takes no new subscriber.
  bool leaving() const noexcept { return leaving_; }
  void leave() noexcept { leaving_ = true; }

  // The database is a copy, and what writes goes to its primary, also while no listener follows the copy's log.
  bool has_primary() const noexcept { return has_primary_; }

  // Whether a user's tokens of that time are known to be revoked.
  bool revoked(std::string_view user, std::int64_t issued_us) const noexcept;

  // The answer to a user with a token of that time if the token was revoked, or if that is not known now; see
  // RevocationCheck.
  std::optional<Error> rejection(std::string_view user, std::int64_t issued_us, unsigned retry_after) const;

 private:
  const SharedRoot& root_;
  const SharedRevocations& revocations_;
  const bool has_primary_;
  bool leaving_ = false;
};

}  // namespace pgevents::nginx
