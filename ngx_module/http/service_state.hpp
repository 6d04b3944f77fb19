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
#include "ngx_module/zone/shared_revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class ServiceState {
 public:
  ServiceState(const SharedRoot& root, const SharedRevocations& revocations) noexcept
      : root_(root), revocations_(revocations) {}

  // False while no listener follows the log: new requests are declined, streams wait, other requests get a 503. This
  // worker does not see what happens meanwhile, a revocation for example.
  bool serving() const noexcept { return root_.connected.load(std::memory_order_acquire) != 0; }

  // The worker has to leave: it answers what waits, and takes no new subscriber.
  bool leaving() const noexcept { return leaving_; }
  void leave() noexcept { leaving_ = true; }

  // Whether a user's tokens of that time are known to be revoked.
  bool revoked(std::string_view user, std::int64_t issued_us) const noexcept;

  // The answer to a user with a token of that time if the token was revoked, or if that is not known now; see
  // RevocationCheck.
  std::optional<Error> rejection(std::string_view user, std::int64_t issued_us, unsigned retry_after) const;

 private:
  const SharedRoot& root_;
  const SharedRevocations& revocations_;
  bool leaving_ = false;
};

}  // namespace pgevents::nginx
