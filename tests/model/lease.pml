/* The listener's role and how it passes on: Lease (core/shared/shared_state.cpp), Listener
   (ngx_module/listener/listener.cpp: look(), pg_ready(), read_more(), caught_up(), set_connected(), stop()) and
   RingWriter (ngx_module/listener/ring_writer.cpp: take_position(), take_revocations(), page_statement(),
   take_event()).

   Two workers; one is killed (its number may be taken at once, by its successor or a stranger) or leaves; each may
   stand still at any step for longer than its lease lasts, and continue with what the database had already sent. The
   database hands out ids without gaps, and is restored once to an earlier state: all connections break, answers that
   were sent before still arrive. Every event is a revocation. look() runs between two answers whenever it likes; a
   question is asked and answered in one step, for what happens between commutes with one of both, but the answer may
   wait. tests/model/run.sh has the combinations that are searched.

   Checked: what is appended to the ring continues it; whenever the owner has caught up over a connection that lives,
   the ring holds what the log holds, and nothing of a log that no longer exists; a user whose revocation is an event in
   the ring is in the table of revocations; at rest a worker that lives owns the lease, is connected and has set that
   flag, and the ring is as far as the log; and there always is rest in the end (there is no cycle, but for a late
   worker that reads in vain before it looks). What is NOT promised: that only one worker at a time takes itself for the
   owner. It may have lost the lease since it looked, even to a worker that found it expired before it was renewed. So
   every change asks again under the lock (owned_by()).

   Memory order: the lease's words are changed by compare-and-swap (sequentially consistent), the ring under the lock
   (ring.pml). A worker that took the lease takes the lock before it reads how far the ring is: what is written later
   asks owned_by() later, and finds that it lost. What was written before is part of what it found. Left out: pruning,
   generations of ids, rows that are refused.

   Faults: NO_HELD_POSITION, NO_HELD_REVOCATIONS, NO_HELD_EVENT, NO_HELD_CONNECTED, NO_CHECK_EVENT (neither the lease
   nor epoch and base), NO_POSITION_LOCK, NO_RENEW (a lease that was lost and taken again counts as kept),
   NO_POSITION_CHECK, NO_HEAD_CHECK, NO_TTL. WITNESS: a late worker has rows that it must drop. WITNESS_CYCLE: that a
   cycle would be found. */

#ifndef LAST
#define LAST 2 /* ids */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef LEAVES
#define LEAVES 1
#endif
#ifndef DELAYS
#define DELAYS 1
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#define PRELOAD 1

/* A log, or what the ring has of it: a bit for each id that says whether the event was made after the restore. */
#define bit(id) (1 << (id))
#define upto(id) ((1 << ((id) + 1)) - 1)

byte log_head = 1, log_new = 0;
bool restored = (RESTORES == 0);
byte ring_floor, ring_last = 1, ring_new, ring_epoch = 1;
bool ring_knows = true; /* the newest event's time: not after a reset */
byte revoked = 2;       /* the table in shared memory: a bit for each event */

byte owner;  /* the lease; 0: free */
bool until;   /* its time: that of every second renewal is equal */
bool past;    /* and whether that is over */
byte locked;  /* by this word */
bool connected = true;

#define WORDS 5
byte words;            /* handed out */
byte gone[WORDS];      /* 1: the process no longer exists; 2: a stranger has its number; 3: its successor has */
byte slot_of[WORDS];   /* the worker's place */
bool killed[2];
bool at_rest[2];
byte kills = KILLS, leaves = LEAVES, delays = DELAYS;

#define IS_GONE(word) (gone[word] == 1 || (gone[word] == 3 && slot_of[word] == slot))
#ifdef NO_TTL
#define RAN_OUT false
#else
#define RAN_OUT past
#endif
#define MAY_TAKE (owner == 0 || RAN_OUT || IS_GONE(owner))

#define SOUND_TABLE assert((revoked & upto(ring_last) & ~upto(ring_floor)) == (upto(ring_last) & ~upto(ring_floor)))

#ifdef NO_HELD_CONNECTED
#define HELD_CONNECTED true
#else
#define HELD_CONNECTED held
#endif
#define SET_CONNECTED(value) \
  atomic { LOCK; held = (role && owner == me) } \
  atomic { connected = (HELD_CONNECTED -> value : connected); held = false; UNLOCK }

#define READ_MORE \
  atomic { \
    if \
    :: BROKEN -> step = idle \
    :: else -> base = ring_last; epoch = ring_epoch; row = base + 1; last = log_head; seen_new = log_new; step = has_rows \
    fi \
  }

mtype = { closed, position, start_known, revoked_known, has_rows, idle }; /* Listener::Step, and the answer is there */

proctype Worker(byte slot) {
  byte me, current, base, epoch, head, from, row, last, seen_new, table;
  bool role, seen, held, continuous, ok;
  bool conn; /* made after the restore */
  mtype step;

#define CLOSE \
  step = closed; conn = false; base = 0; epoch = 0; head = 0; from = 0; row = 0; last = 0; seen_new = 0; table = 0; \
  continuous = false; at_rest[slot] = false
#define BROKEN (conn != restored)
#define LOCK locked == 0 -> locked = me
#define UNLOCK locked = 0

born:
  atomic {
    slot == 0 || owner != 0; /* the two are alike: let it be the first one who gets the lease first */
    me = words + 1; words++;
    slot_of[me] = slot;
    CLOSE; role = false; current = 0; seen = false; held = false; ok = false
  }
  {
end:
  do
  /* look(): renew(); with the role the connection is lost. */
  :: atomic { role && (past || owner != me) -> current = owner; seen = until }
#ifdef NO_RENEW
     if
     :: current != me && MAY_TAKE -> goto take
     :: else
     fi;
#endif
     atomic {
       if
       :: current == me && until == seen -> past = false; until = !until
       :: else
       fi;
       if
       :: current != me || owner != me -> role = false; CLOSE
       :: else
       fi;
       current = 0; seen = false
     }
  /* look(): try_acquire() */
  :: !role && MAY_TAKE ->
#ifdef NO_RENEW
take:
#endif
     atomic { current = owner; seen = until; ok = MAY_TAKE }
     atomic {
       if
       :: ok && until == seen -> past = false; until = !until
       :: else -> ok = false
       fi
     }
     atomic {
       if
       :: ok && owner == current -> owner = me; role = true
       :: else -> role = false; CLOSE
       fi;
       current = 0; seen = false; ok = false
     }

  /* connect(), LISTEN; and pg_failed(): nothing that the database has not sent yet arrives. */
  :: atomic { role && step == closed -> conn = restored; step = position }
  :: BROKEN && (step == position || step == idle) -> SET_CONNECTED(false)
     atomic { CLOSE }

  /* pg_ready(kPosition): recover() under the lock, then how far the ring is; in the database: listener_start() */
  :: atomic { step == position && !BROKEN -> skip }
#ifndef NO_POSITION_LOCK
     locked == 0;
#endif
     atomic {
       if
       :: BROKEN
       :: else ->
          head = log_head;
          from = (log_head > PRELOAD -> log_head - PRELOAD : 0);
          continuous =
            (ring_last == 0 || (ring_last <= log_head && (!ring_knows || ((log_new ^ ring_new) & bit(ring_last)) == 0)));
          step = start_known
       fi
     }
  /* take_position(); in the database: revocations() */
  :: step == start_known ->
     atomic { LOCK; held = (owner == me) }
     atomic {
       if
#ifdef NO_HELD_POSITION
       :: ring_last == 0 || !continuous ->
#elif defined(NO_POSITION_CHECK)
       :: held && ring_last == 0 ->
#else
       :: held && (ring_last == 0 || !continuous) ->
#endif
          ring_epoch++; ring_last = from; ring_floor = from; ring_new = 0; ring_knows = false
       :: else
       fi;
       UNLOCK;
       held = false; from = 0; continuous = false
     }
     atomic {
       if
       :: BROKEN -> step = idle
       :: else -> table = upto(log_head); step = revoked_known
       fi
     }
  /* take_revocations(); read_more(); in the database: log_after() */
  :: step == revoked_known ->
     atomic { LOCK; held = (owner == me) }
     atomic {
       if
#ifdef NO_HELD_REVOCATIONS
       :: true ->
#else
       :: held ->
#endif
          revoked = table;
          SOUND_TABLE
       :: else
       fi;
       UNLOCK;
       held = false; table = 0
     }
     READ_MORE
  /* A notification, or the sweep. A worker that is no longer the owner reads in vain until it looks, every 250 ms. */
  :: atomic { step == idle && log_head > ring_last && !BROKEN && owner == me -> skip }
     READ_MORE
  :: atomic { step == idle && log_head > ring_last && !BROKEN && owner != me -> skip }
#ifndef WITNESS_CYCLE
progress_in_vain:
#endif
     READ_MORE
  /* take_event() */
  :: step == has_rows && row <= last ->
     atomic { LOCK; held = (owner == me) }
#ifdef WITNESS
     assert(held || row <= ring_last);
#endif
     atomic {
       if
#if defined(NO_CHECK_EVENT)
       :: row > ring_last ->
#elif defined(NO_HELD_EVENT)
       :: ring_epoch == epoch && ring_last >= base && row > ring_last ->
#else
       :: held && ring_epoch == epoch && ring_last >= base && row > ring_last ->
#endif
          assert(row == ring_last + 1);
#ifndef NO_HEAD_CHECK
          if
          :: row > head -> revoked = revoked | bit(row)
          :: else
          fi;
#endif
          ring_last = row;
          ring_new = (ring_new & ~bit(row)) | (seen_new & bit(row));
          ring_knows = true;
          SOUND_TABLE
       :: else
       fi;
       UNLOCK;
       held = false;
       row++
     }
  /* caught_up() */
  :: atomic {
       step == has_rows && row > last ->
       step = idle; row = 0; last = 0; seen_new = 0; base = 0; epoch = 0;
       at_rest[slot] = true;
       if
       :: owner == me && !BROKEN ->
          assert(ring_last <= log_head);
          assert(((ring_new ^ log_new) & upto(ring_last) & ~upto(ring_floor)) == 0)
       :: else
       fi
     }
     if
     :: !connected -> SET_CONNECTED(true)
     :: else
     fi

  /* stop(): the worker leaves, another one comes. */
  :: atomic { role && slot == 0 && leaves > 0 && step != closed -> leaves--; role = false; CLOSE }
     atomic { if :: owner == me -> owner = 0 :: else fi; gone[me] = 1 }
     goto born
  od
  } unless { killed[slot] };
  atomic {
    killed[slot] = false;
    if
    :: locked == me -> locked = 0 /* by the master, when it has seen the end */
    :: else
    fi;
    if
    :: gone[me] = 1
    :: gone[me] = 2
    :: gone[me] = 3
    fi
  }
  goto born
}

/* The application, the administrator, time, and accidents. */
proctype World() {
  do
  :: log_head < LAST -> atomic { log_head++; log_new = (restored -> log_new | bit(log_head) : log_new) }
  :: !restored -> atomic {
       restored = true;
       do
       :: log_head > 0 -> log_head--
       :: break
       od
     }
  :: kills > 0 -> atomic { kills--; killed[0] = true } /* the two are alike */
  :: delays > 0 && !past -> atomic { delays--; past = true }
  :: !past && owner != 0 && gone[owner] != 0 -> past = true
  :: timeout ->
     assert(owner != 0 && gone[owner] == 0);
     assert(at_rest[slot_of[owner]] && connected);
     assert(ring_last == log_head);
     break
  od
}

init {
  atomic {
    run Worker(0);
    run Worker(1);
    run World()
  }
}
