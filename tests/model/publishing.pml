/* From the commit of a publisher to the ids of its events. turns_sequence(), turn_way(), turn_left(), ready_number()
   and append_lock() (sql/functions/log/internal) are Publisher; sequence(), drain(), mark_settled(), mark_passed(),
   sequencer_begin() and sequencer_end() (sql/functions/log) are called by Listener, which is Sequencer
   (ngx_module/listener); check_generation().

   A publisher gives its events ids itself, holding the lock "append" until it has committed, or leaves them in `ready`
   under a number (ready_n) and commits without. It leaves them while a sequencer works (the lock "sequencer" is held)
   and it cannot have "append" at once, or has found that not every number is accounted for (ready_n > ready_low); a big
   turn also while a listener is connected (BIG). One that has waited for "append" may give it back and leave. A
   transaction that is not READ COMMITTED leaves them also without a sequencer, because it cannot see, and so cannot
   move, what was left before; so does one that moves a part of it only, because it expects the listener to become the
   sequencer. The owner of "append" may move what its snapshot shows, in order of the numbers. The mark
   ready_low rises only under the lock "leaving" alone, which every publisher shares from before it draws its number to
   its end. The listener becomes the sequencer once or several times, ends that whenever it likes, and goes on with
   sequence() until everything is accounted for; then it sleeps until a notification.

   Publishers choose freely between the levels of isolation, and whether they need their ids at once (control events,
   http_publish()). Each may be rolled back at its end. Each turn depends on everything that was committed when it
   began: the application has taken its last lock, or the transaction has begun, behind that. KILLS: a listener dies at
   any step, and another session starts; GONE: none does, but there is a second listener, which is never the sequencer.
   FREEZES: the sequencer stops and keeps its locks. CRASHES: of PostgreSQL; of the two sequences it keeps what it likes
   from what was there at the last commit on. SECOND: the first publisher may have two turns (SET CONSTRAINTS
   IMMEDIATE). PASSES: mark_passed(), also by a call that finds no event. RESTORED: a dump brought an event in `ready`
   below a mark that is newer.

   Checked: ids are in the order of the dependencies; no id becomes visible below one that is visible already (a reader
   would miss it); none is given twice; when nothing more can happen, each committed event has its id, and every number
   is accounted for. That holds by the wake-ups alone, without the sweep; except that a transaction that would have
   notified and was rolled back leaves its number open.

   BIG is left out with three publishers and with two listeners: with it, frozen holds too, after 15 million states.

   Left out: how many rows a turn has, backpressure (turn_left() waits for "append" shared, and holds nothing that the
   owner of "append" waits for); the readers of the log. Locks are released after the transaction has become visible, a
   notification is received from then on. A snapshot lists all open transactions with smaller xids than made_by, because
   that one has committed.

   publishing.turns.pml and publishing.publisher.pml are parts of this model.

   Faults, publisher: ALWAYS_SETTLED, SETTLED_BEFORE_LOCKS (asked before the application's last lock),
   DIRECT_UNSETTLED (without moving what was left), RR_DIRECT, PART_DIRECT (behind a part), OLD_SNAPSHOT (moves what
   its first snapshot shows), TRY_FAILS_DIRECT (without asking again), NUMBER_BEFORE_LOCKS, NUMBER_BEFORE_GATE,
   NUMBER_KEPT (from the turn before), NO_GATE, RELEASE_EARLY (the lock "leaving"), NO_NOTE, LOOK_BEFORE_NUMBER (for a
   sequencer), GENERATION_LATE. Marking: MARK_UNGUARDED, MARK_AFTER_MOVE, MARK_NEXT_TURN (in a transaction that has
   moved rows, which may come back), MARK_BLIND (without a new snapshot). Listener: DRAIN_UNLOCKED, TWO_STATEMENTS
   (reads, then deletes), NO_FIRST_LOOK, ONE_LOOK (instead of until everything is accounted for), LOOK_BEFORE_END,
   NO_LOOK_AFTER_END, BEGIN_GIVES_BACK (sequencer_begin() takes the lock, and then finds that it must not), NO_WATCH
   (for a sequencer that stopped), WATCH_ONCE. mark_passed(): PASSED_FORGOTTEN, PASSED_APART (drain() looks for the
   events of open transactions with an earlier snapshot), PASSED_REPLACED (while one of them has committed), LAST_AT_ONCE
   (not from the mark before), LOOK_FIRST (at `ready`, then at who is open), XID_FIRST (before the last number is read).
   Crash: NUMBERS_UNLOGGED. */

#include "publishing.turns.pml"
#include "publishing.publisher.pml"

#define ROWS ROWS_OF(NOBODY)
#if PUBLISHERS == 2
#define ALL_ENDED (ended[0] && ended[1])
#else
#define ALL_ENDED (ended[0] && ended[1] && ended[2])
#endif

proctype Listener(byte l) {
  bool looping, looks, watches, got;
  byte moved;
#if PASSES
  byte drawn, open, first;
#endif
#ifdef PASSED_APART
  byte seen;
#define SEEN seen
#else
#define SEEN 255
#endif
#define ME LISTENER(l)
born:
  killed[l] = false;
  d_step {
    roll_back(ME);
    if
    :: append == ME -> lose_mark(); append = NOBODY; closed = false
    :: else
    fi;
    sequencer = (sequencer == ME -> NOBODY : sequencer);
    listens[l] = false;
    notified[l] = false;
    watches = (LISTENERS > 1);
    told[l] = false;
    looping = false; looks = true; got = false; moved = 0;
#if PASSES
    drawn = 0; open = 0; first = 0
#endif
  }
#ifdef NO_FIRST_LOOK
  looks = false;
  untold = true;
#endif
  {
    listens[l] = true;
#if RESTORED
    atomic { append == NOBODY -> low = (checked -> low : 0); checked = true } /* listener_start() */
#endif
end:
    do
    :: looks && SETTLED -> looks = false
    :: !looks && !looping && notified[l] -> atomic { notified[l] = false; looks = true }
    :: atomic { /* sequencer_begin() */
         !looks && !looping && loops > 0 && !ALL_ENDED && sequencer == NOBODY && (!GONE || l == 0) ->
         sequencer = ME; looping = true; loops--;
         for (k : 0 .. LISTENERS - 1) {
           told[k] = told[k] || (LISTENERS > 1 && k != l && listens[k])
         }
       }
#ifdef BEGIN_GIVES_BACK
       atomic { sequencer = NOBODY; looping = false }
#endif
    :: looping && freezes > 0 -> freezes--; /* or its host is gone, and the connection still there */
end_frozen:
       false
    :: looping -> /* sequencer_end() */
#ifdef LOOK_BEFORE_END
       got = SETTLED;
       atomic { sequencer = NOBODY; looping = false; looks = !got; got = false }
#else
       atomic { sequencer = NOBODY; looping = false; looks = true }
#endif
#ifdef NO_LOOK_AFTER_END
       looks = false
#endif
#ifndef NO_WATCH
    :: !looks && !looping && told[l] -> atomic { told[l] = false; watches = true }
    :: watches && !looks && !looping && !SETTLED -> looks = true
#ifdef WATCH_ONCE
    :: watches && !looks && !looping ->
#else
    :: watches && !looks && !looping && sequencer == NOBODY ->
#endif
       if
       :: SETTLED -> watches = false
       :: !SETTLED -> looks = true
       fi
#endif
#ifdef DRAIN_UNLOCKED
    :: (looks || looping) && !SETTLED && (ROWS || leaving == 0 || PASSES_LEFT) ->
#else
    :: atomic { /* sequence(); a call that can do nothing is left out */
         (looks || looping) && !SETTLED && (ROWS || leaving == 0 || PASSES_LEFT) && append == NOBODY -> append = ME
       }
#endif
#if PASSES
       if
       :: passes > 0 -> passes--; mark_passed(ME, drawn, open, first)
       :: true
       fi;
#endif
#ifdef PASSED_APART
       d_step {
         seen = 0;
         for (t1 : 0 .. TURNS - 1) {
           if
           :: passed_by(t1) && !ready_for(ME, t1)
           :: else -> seen = seen | bit(t1)
           fi
         }
       }
#endif
       if
       :: drain(ME, SEEN, 255, moved)
       :: drain(ME, SEEN, 1, moved) /* max_rows */
       fi;
#ifdef TWO_STATEMENTS
       d_step {
         for (t1 : 0 .. TURNS - 1) {
           in_ready[t1] = in_ready[t1] && !(ready_for(NOBODY, t1) && committed[t1])
         }
       }
#endif
       if
       :: moved > 0
       :: moved == 0 ->
#ifdef MARK_UNGUARDED
          got = true
#else
          atomic {
            if
            :: closed || leaving == 0 -> closed = true; got = true
            :: else
            fi
          }
#endif
       fi;
#ifdef MARK_AFTER_MOVE
       atomic {
         if
         :: leaving == 0 -> closed = true; got = true
         :: else
         fi
       }
#endif
       if
       :: got -> mark(ME)
       :: !got
       fi;
       d_step { commit(ME); write_mark(); got = false; moved = 0 }
       d_step { append = (append == ME -> NOBODY : append); closed = false }
#ifdef ONE_LOOK
       atomic { looks = false; untold = true }
#endif
    od
  } unless { killed[l] };
#if GONE
  d_step {
    roll_back(ME);
    if
    :: append == ME -> lose_mark(); append = NOBODY; closed = false
    :: else
    fi;
    sequencer = (sequencer == ME -> NOBODY : sequencer);
    listens[l] = false
  }
end_gone:
  false;
#endif
  goto born
#undef ME
}

proctype Fate() {
  do
  :: kills > 0 -> atomic {
       kills--;
       if
       :: killed[0] = true
#if LISTENERS > 1 && !GONE
       :: killed[1] = true
#endif
       fi
     }
  :: crashes > 0 -> atomic {
       crashes--;
       if
       :: true
       :: n = safe_n; low = safe_low
#ifdef NUMBERS_UNLOGGED
       :: n = 0
#endif
       fi;
       d_step {
         for (k : 0 .. PUBLISHERS - 1) {
           if
           :: begun[k] && !ended[k] -> ended_by(k); dead[k] = true; ended[k] = true
           :: else
           fi
         }
         for (k : 0 .. LISTENERS - 1) {
           killed[k] = true; listens[k] = false; notified[k] = false; told[k] = false
         }
         for (t1 : 0 .. TURNS - 1) {
           if
           :: giver[t1] != NOBODY -> giver[t1] = NOBODY; id[t1] = 0
           :: else
           fi;
           in_ready[t1] = in_ready[t1] && committed[t1]
         }
         append = NOBODY; sequencer = NOBODY; leaving = 0; closed = false;
#if PASSES
         after = 0; last = 0; write_mark() /* ready_marks is unlogged */
#endif
       }
     }
  :: kills + crashes > 0 -> atomic { kills = 0; crashes = 0 }
  :: kills + crashes == 0 -> break
  od
}

proctype Judge() {
  timeout -> d_step {
    for (t1 : 0 .. TURNS - 1) {
      assert(!committed[t1] || visible[t1])
    }
    assert(SETTLED || untold)
  }
}

init {
  atomic {
#if RESTORED
    committed[0] = true; in_ready[0] = true; number[0] = 1; n = 1; low = 1; begun[0] = true; ended[0] = true;
#endif
    for (k : RESTORED .. PUBLISHERS - 1) {
      run Publisher(k)
    }
    for (k : 0 .. LISTENERS - 1) {
      run Listener(k)
    }
    run Fate();
    run Judge()
  }
}
