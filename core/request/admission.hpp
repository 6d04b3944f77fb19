// What happens to a request for events when the log may be out of reach: the one place that decides between the log,
// the ring, waiting and a rejection. The module asks when a request arrives, and again when its question to the log
// fails.
#pragma once

#include "core/request/subscription.hpp"
#include "core/shared/ring.hpp"
#include "core/wire/cursor.hpp"

namespace pgevents {

// kFollowed: a listener follows it. kUnanswered: a listener does, but a question of this request failed. kAway: no
// listener follows the log.
enum class LogState { kFollowed, kUnanswered, kAway };

// Where a request begins. Only an id between the ring's ends has all events behind it there: an id below the floor has
// others before the ring, and one above the newest id may come from a log that has lost events.
enum class CursorPlace { kNow, kTime, kBelowRing, kInRing, kAboveRing };

// An empty ring has no place for any id: the nginx instance has not read the log yet.
CursorPlace place_of(const Cursor& cursor, const Ring::Snapshot& ring) noexcept;

// kServe: as always. kServeFromRing: with what the ring has, and without a question to the log. kHold: the client stays
// connected and waits. kReject: 503, and the client repeats the request with its cursor.
enum class Admission { kServe, kServeFromRing, kHold, kReject };

// `unchecked`: it is unknown whether the caller's token was revoked (Session::unchecked). Such a request gets no event,
// whatever the ring has.
Admission admit(bool unchecked, CursorPlace place, Flavor flavor, LogState log) noexcept;

}  // namespace pgevents
