// Why a subscriber ends before it has what it came for.
#pragma once

namespace pgevents::nginx {

enum class Ending {
  kLeaving,   // the worker leaves
  kSentAway,  // the client shall reconnect, and have its access checked again
  kExpired,   // its permission has expired
  kRevoked,   // its permission was revoked
};

inline const char* name_of(Ending ending) noexcept {
  switch (ending) {
    case Ending::kLeaving:
      return "the worker leaves";
    case Ending::kSentAway:
      return "access must be checked again";
    case Ending::kExpired:
      return "expired";
    case Ending::kRevoked:
      break;
  }
  return "revoked";
}

}  // namespace pgevents::nginx
