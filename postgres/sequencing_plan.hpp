// When a session that listens gives ids to the events that publishers have left (docs/sql.md, section 3), and with
// which statements: decisions only, so that a test can drive them without a server. The session executes what next()
// returns, one statement at a time, and reports each answer.
//
// A session that sequences holds PostgreSQL's session-level lock "sequencer" and loops: rounds of sequence(), the log
// read to its end, a short pause. While some session holds the lock, publishers that would have to wait leave their
// events; otherwise they give the ids themselves. The lock belongs to the session: if that ends, publishers no longer
// leave. A session that does not loop watches: it drains what was left in passing, if no other session does so.
//
// Times are milliseconds of a monotonic clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "postgres/statements.hpp"

namespace pgevents::postgres {

class SequencingPlan {
 public:
  enum class Action {
    kNone,
    kAskVersion,  // of the schema: it may have been upgraded while the session was open
    kReady,       // from now on transactions with very many events may leave them
    kAskWaiting,  // how many publishers wait for the lock under which ids are given
    kBegin,
    kRenew,  // begins again in the loop: the operator may have switched group_commit off
    kEnd,
    kSequence
  };
  // What one call of sequence() has done. A turn is what one transaction has left.
  struct Round {
    int events = 0;
    int turns = 0;
    bool is_more = false;       // more was left than one round may take
    bool is_settled = false;    // nothing that was left is without an id
    bool is_busy = false;       // another session gives ids at the moment
    bool is_sequenced = false;  // another session has the lock of the sequencer
  };

  // A session begins, with a schema of this version.
  void begin(int version, std::int64_t now) noexcept;
  // A notification of the channel `pgevents` has arrived from another session. `payload`: "s": a session sequences, or
  // has given ids to what was left; "l": a publisher has left events, and no session sequences; "w": a publisher had to
  // wait; anything else: a publisher has given its ids.
  void notified(std::string_view payload, std::int64_t now) noexcept;
  // The session has been idle for as long as it may be.
  void swept(std::int64_t now) noexcept { drain_by(now); }

  // What to send now, on an idle session that has read the log to its end.
  Action next(std::int64_t now) noexcept;
  // For how long next() will have nothing, unless something happens; nothing: for ever.
  std::optional<std::int64_t> wait(std::int64_t now) const noexcept;

  // The answers, each to the action of its name (kRenew is answered as kBegin).
  void take_version(int version, std::int64_t now) noexcept;
  void take_ready() noexcept { is_ready_ = true; }
  void take_waiting(int sessions) noexcept;
  void take_begun(bool begun, std::int64_t now) noexcept;
  void take_ended(std::int64_t now) noexcept;
  void take_round(const Round& round, std::int64_t now) noexcept;
  // The database rejected the statement. False: the session must end: it may hold the lock, and cannot give it back.
  bool take_rejected(std::int64_t now) noexcept;

  bool can_sequence() const noexcept { return version_ >= sql::kGroupCommitSchema; }
  bool loops() const noexcept { return loops_; }

 private:
  Action next_in_loop(std::int64_t now) noexcept;
  Action next_while_watching(std::int64_t now) noexcept;
  void count_round(const Round& round, std::int64_t now) noexcept;
  void plan_drain(const Round& round, std::int64_t now) noexcept;
  void drain_by(std::int64_t when) noexcept;

  Action asked_ = Action::kNone;  // the statement under way
  int version_ = 0;
  bool loops_ = false;
  std::int64_t rest_until_ = 0;  // after a rejected statement

  // While it watches.
  std::optional<std::int64_t> drain_at_;  // when it looks at what was left
  std::int64_t drain_pause_ = 0;          // before the next look at what could not be settled
  bool is_ready_ = false;
  bool heard_waiting_ = false;       // a publisher had to wait
  bool saw_new_schema_ = false;      // a notification came that only a later schema sends
  bool may_begin_ = false;           // enough publishers wait, or very much was left
  std::int64_t ask_waiting_at_ = 0;  // not before
  std::int64_t ask_version_at_ = 0;  // not before
  std::int64_t begin_at_ = 0;        // not before
  std::int64_t hold_off_ = 0;        // how long after a loop that was of no use

  // In the loop.
  std::int64_t round_at_ = 0;
  std::int64_t renew_at_ = 0;
  std::int64_t window_from_ = 0;  // rounds and their turns are counted from here
  int rounds_ = 0;
  int turns_ = 0;
  bool worth_it_ = false;    // a window was, or a round took a part of what was left
  bool found_busy_ = false;  // a round has
  int busy_windows_ = 0;
  bool ends_ = false;  // the loop is over, but for kEnd
};

}  // namespace pgevents::postgres
