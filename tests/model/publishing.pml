/* From the commit of a publisher to the ids of its events. turns_sequence(), turn_way(), turn_left(), ready_number()
   and append_lock() (sql/functions/log/internal) are Publisher; sequence(), drain(), mark_settled(), settle_by_force(),
   sequencer_begin() and sequencer_end() (sql/functions/log) are called by Listener, which is Sequencer
   (ngx_module/listener); check_generation().

   A publisher gives its events ids itself, holding the lock "append" until it has committed, or leaves them in `ready`
   under a number (ready_n) and commits without. It leaves them while a sequencer works (the lock "sequencer" is held)
   and it cannot have "append" at once, or has found that not every number is accounted for (ready_n > ready_low). A
   transaction that is not READ COMMITTED leaves them also without a sequencer, because it cannot see, and so cannot
   move, what was left before. The owner of "append" may move what its snapshot shows, in order of the numbers. The mark
   ready_low rises only under the lock "leaving" alone, which every publisher shares from before it draws its number to
   its end. The listener becomes the sequencer once or several times, ends that whenever it likes, and goes on with
   sequence() until everything is accounted for; then it sleeps until a notification.

   Publishers choose freely between the levels of isolation, and whether they need their ids at once (control events,
   http_publish()). Each may be rolled back at its end. Each turn depends on everything that was committed when it
   began: the application has taken its last lock, or the transaction has begun, behind that. KILLS: a listener dies at
   any step, and another session starts; GONE: none does, but there is a second listener, which is never the sequencer.
   FREEZES: the sequencer stops and keeps its locks. CRASHES: of PostgreSQL; of the two sequences it keeps what it likes
   from what was there at the last commit on. SECOND: the first publisher may have two turns (SET CONSTRAINTS
   IMMEDIATE). FORCES: settle_by_force(). RESTORED: a dump brought an event in `ready` below a mark that is newer.

   Checked: ids are in the order of the dependencies; no id becomes visible below one that is visible already (a reader
   would miss it); none is given twice; when nothing more can happen, each committed event has its id, and every number
   is accounted for. That holds by the wake-ups alone, without the sweep; except that a transaction that would have
   notified and was rolled back leaves its number open.

   Left out: how many rows a turn has, backpressure (turn_left() waits for "append" shared, and holds nothing that the
   owner of "append" waits for, but for the 20 ms of settle_by_force()); the readers of the log. Locks are released
   after the transaction has become visible, a notification is received from then on.

   publishing.turns.pml is a part of this model.

   Faults, publisher: ALWAYS_SETTLED, SETTLED_BEFORE_LOCKS (asked before the application's last lock), DIRECT_UNSETTLED
   (without moving what was left), RR_DIRECT, OLD_SNAPSHOT (moves what its first snapshot shows), TRY_FAILS_DIRECT
   (without asking again), NUMBER_BEFORE_LOCKS, NUMBER_BEFORE_GATE, NUMBER_KEPT (from the turn before), NO_GATE,
   RELEASE_EARLY (the lock "leaving"), NO_NOTE, LOOK_BEFORE_NUMBER (for a sequencer), GENERATION_LATE. Marking:
   MARK_UNGUARDED, MARK_AFTER_MOVE, MARK_NEXT_TURN (in a transaction that has moved rows, which may come back),
   MARK_BLIND (without a new snapshot). Listener: DRAIN_UNLOCKED, TWO_STATEMENTS (reads, then deletes), NO_FIRST_LOOK,
   ONE_LOOK (instead of until everything is accounted for), LOOK_BEFORE_END, NO_LOOK_AFTER_END, BEGIN_GIVES_BACK
   (sequencer_begin() takes the lock, and then finds that it must not), NO_WATCH (for a sequencer that stopped),
   WATCH_ONCE. Crash: NUMBERS_UNLOGGED. */

#include "publishing.turns.pml"

#define can_move(t) ready_for(NOBODY, t)
#if PUBLISHERS + SECOND == 2
#define ROWS (can_move(0) || can_move(1))
#elif PUBLISHERS + SECOND == 3
#define ROWS (can_move(0) || can_move(1) || can_move(2))
#else
#define ROWS (can_move(0) || can_move(1) || can_move(2) || can_move(3))
#endif
#if PUBLISHERS == 2
#define ALL_ENDED (ended[0] && ended[1])
#else
#define ALL_ENDED (ended[0] && ended[1] && ended[2])
#endif

proctype Listener(byte l) {
  bool looping, looks, watches, got;
  byte moved;
#define ME LISTENER(l)
born:
  killed[l] = false;
  d_step {
    roll_back(ME);
    if
    :: append == ME -> append = NOBODY; closed = false; closing = false
    :: else
    fi;
    sequencer = (sequencer == ME -> NOBODY : sequencer);
    listens[l] = false;
    notified[l] = false;
    watches = (LISTENERS > 1);
    told[l] = false;
    looping = false; looks = true; got = false; moved = 0
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
    :: (looks || looping) && !SETTLED && (ROWS || leaving == 0) ->
#else
    :: atomic { /* sequence(); a call that can do nothing is left out */
         (looks || looping) && !SETTLED && (ROWS || leaving == 0) && append == NOBODY -> append = ME
       }
#endif
#if FORCES
       if
       :: forces > 0 -> atomic { forces--; closing = true } /* settle_by_force() */
          if
          :: atomic { leaving == 0 -> closing = false; closed = true }
             mark(ME)
          :: closing = false
          fi
       :: true
       fi;
#endif
       if
       :: drain(ME, 255, 255, moved)
       :: drain(ME, 255, 1, moved) /* max_rows */
       fi;
#ifdef TWO_STATEMENTS
       d_step {
         for (t1 : 0 .. TURNS - 1) {
           in_ready[t1] = in_ready[t1] && !(can_move(t1) && committed[t1])
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
       d_step { commit(ME); got = false; moved = 0 }
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
    :: append == ME -> append = NOBODY; closed = false; closing = false
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
           :: begun[k] && !ended[k] -> dead[k] = true; ended[k] = true
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
         append = NOBODY; sequencer = NOBODY; leaving = 0; closed = false; closing = false
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
