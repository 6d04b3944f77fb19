// What happens to a request for events when the log may be out of reach: the whole table of identities, what is known
// of revocations, cursors, forms of subscribers and states of the log.
#include "core/request/admission.hpp"

#include <optional>
#include <sstream>
#include <string>

#include "access_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// Events 51 to 120.
Ring::Snapshot ring_of(std::uint64_t floor, std::uint64_t last_id) {
  Ring::Snapshot ring;
  ring.floor = floor;
  ring.last_id = last_id;
  return ring;
}

CursorPlace place(const char* text, const Ring::Snapshot& ring = ring_of(50, 120)) {
  return place_of(*parse_cursor(text), ring);
}

START_TEST(an_id_lies_in_the_ring_if_the_ring_has_everything_behind_it) {
  ck_assert(place("") == CursorPlace::kNow);
  ck_assert(place("rt-100") == CursorPlace::kTime);
  ck_assert(place("0") == CursorPlace::kBelowRing);
  ck_assert(place("49") == CursorPlace::kBelowRing);
  ck_assert(place("50") == CursorPlace::kInRing);
  ck_assert(place("85") == CursorPlace::kInRing);
  ck_assert(place("120") == CursorPlace::kInRing);
  ck_assert(place("121") == CursorPlace::kAboveRing);
  ck_assert(place("9223372036854775807") == CursorPlace::kAboveRing);
}
END_TEST

START_TEST(a_ring_that_was_emptied_has_a_place_for_the_id_that_it_begins_behind) {
  ck_assert(place("119", ring_of(120, 120)) == CursorPlace::kBelowRing);
  ck_assert(place("120", ring_of(120, 120)) == CursorPlace::kInRing);
  ck_assert(place("121", ring_of(120, 120)) == CursorPlace::kAboveRing);
}
END_TEST

START_TEST(a_ring_that_was_never_filled_has_a_place_for_no_id) {
  for (const char* id : {"0", "1", "120"}) {
    assert_that(place(id, ring_of(0, 0)) == CursorPlace::kAboveRing, id);
  }
}
END_TEST

// --- the table ---

enum class Known { kGood, kRevoked, kUnknown };

// How identify() sees the caller: `served`, `unchecked`, or the status of a rejection.
std::string identified(const std::string& identity, Known known) {
  Case access;
  access.rules.revoked = [known](std::string_view, std::int64_t) -> std::optional<Error> {
    if (known == Known::kGood) {
      return std::nullopt;
    }
    return known == Known::kRevoked ? token_revoked() : database_away(5);
  };
  if (identity == "server") {
    access.rules.user = "anna";
  } else if (identity == "token") {
    access.bearer(user_token());
  } else if (identity == "nobody's-token") {
    access.bearer(token_of(R"({"exp":1700000100})"));
  }
  if (const int status = access.error().status; status != 200) {
    return std::to_string(status);
  }
  return access.caller().session.unchecked ? "unchecked" : "checked";
}

// A token of a user is what can be revoked. Only for it does it matter what is known.
START_TEST(only_the_token_of_a_user_depends_on_what_is_known_of_revocations) {
  const struct {
    const char* identity;
    const char* good;
    const char* revoked;
    const char* unknown;
  } rows[] = {
      {"anonymous", "checked", "checked", "checked"},
      {"server", "checked", "checked", "checked"},
      {"nobody's-token", "checked", "checked", "checked"},
      {"token", "checked", "401", "unchecked"},
  };
  for (const auto& row : rows) {
    assert_text(identified(row.identity, Known::kGood), row.good);
    assert_text(identified(row.identity, Known::kRevoked), row.revoked);
    assert_text(identified(row.identity, Known::kUnknown), row.unknown);
  }
}
END_TEST

constexpr Flavor kFlavors[] = {Flavor::kEventSource, Flavor::kWebSocket, Flavor::kLongPoll, Flavor::kPoll};
constexpr LogState kLogs[] = {LogState::kFollowed, LogState::kUnanswered, LogState::kAway};

const char* word(Admission admission) {
  switch (admission) {
    case Admission::kServe:
      return "log";
    case Admission::kServeFromRing:
      return "ring";
    case Admission::kHold:
      return "hold";
    case Admission::kReject:
      break;
  }
  return "503";
}

// A row of the table: what happens to a stream, a WebSocket, a long poll and a poll, for each state of the log.
std::string row_of(bool unchecked, const char* cursor) {
  std::ostringstream row;
  for (const LogState log : kLogs) {
    row << (log == LogState::kFollowed ? "" : " | ");
    for (const Flavor flavor : kFlavors) {
      row << (flavor == Flavor::kEventSource ? "" : " ") << word(admit(unchecked, place(cursor), flavor, log));
    }
  }
  return row.str();
}

START_TEST(the_ring_serves_checked_requests_whose_cursor_it_has) {
  const struct {
    const char* cursor;
    const char* row;
  } rows[] = {
      // followed        | unanswered          | away: stream, WebSocket, long poll, poll
      {"50", "log log log log | ring ring ring ring | ring ring ring ring"},
      {"85", "log log log log | ring ring ring ring | ring ring ring ring"},
      {"120", "log log log log | ring ring ring ring | ring ring ring ring"},
      {"", "log log log log | hold hold 503 503 | hold hold 503 503"},
      {"rt-100", "log log log log | hold hold 503 503 | hold hold 503 503"},
      {"49", "log log log log | hold hold 503 503 | hold hold 503 503"},
      {"121", "log log log log | hold hold 503 503 | hold hold 503 503"},
  };
  for (const auto& row : rows) {
    assert_text(row_of(false, row.cursor), row.row);
  }
}
END_TEST

// Also while a listener follows the log: it may have come between the look at the token and this one.
START_TEST(nothing_serves_a_request_whose_token_could_not_be_checked) {
  for (const char* cursor : {"", "rt-100", "0", "49", "50", "85", "120", "121"}) {
    assert_text(row_of(true, cursor), "hold hold 503 503 | hold hold 503 503 | hold hold 503 503");
  }
}
END_TEST

}  // namespace

int main() {
  return run("admission", {
                              an_id_lies_in_the_ring_if_the_ring_has_everything_behind_it,
                              a_ring_that_was_emptied_has_a_place_for_the_id_that_it_begins_behind,
                              a_ring_that_was_never_filled_has_a_place_for_no_id,
                              only_the_token_of_a_user_depends_on_what_is_known_of_revocations,
                              the_ring_serves_checked_requests_whose_cursor_it_has,
                              nothing_serves_a_request_whose_token_could_not_be_checked,
                          });
}
