// See admission.hpp.
#include "core/request/admission.hpp"

namespace pgevents {

CursorPlace place_of(const Cursor& cursor, const Ring::Snapshot& ring) noexcept {
  if (cursor.kind != Cursor::Kind::kId) {
    return cursor.kind == Cursor::Kind::kNow ? CursorPlace::kNow : CursorPlace::kTime;
  }
  if (cursor.id > ring.last_id || ring.last_id == 0) {
    return CursorPlace::kAboveRing;
  }
  return cursor.id < ring.floor ? CursorPlace::kBelowRing : CursorPlace::kInRing;
}

Admission admit(bool unchecked, CursorPlace place, Flavor flavor, LogState log) noexcept {
  if (!unchecked && log == LogState::kFollowed) {
    return Admission::kServe;
  }
  if (!unchecked && place == CursorPlace::kInRing) {
    return Admission::kServeFromRing;
  }
  return stays(flavor) ? Admission::kHold : Admission::kReject;
}

}  // namespace pgevents
