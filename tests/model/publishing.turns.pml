/* Part of publishing.pml: the locks, the table `ready` and its sequences, what one statement or one COMMIT does to
   them. */

#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef OTHERS
#define OTHERS 0 /* may a publisher that is not in the model have the lock "append"? */
#endif
#ifndef SECOND
#define SECOND 0 /* may publisher 0 have a second turn? */
#endif
#ifndef LISTENERS
#define LISTENERS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef GONE
#define GONE 0
#endif
#ifndef FREEZES
#define FREEZES 0
#endif
#ifndef LOOPS
#define LOOPS 1 /* how often a listener may become the sequencer */
#endif
#ifndef RESTORED
#define RESTORED 0 /* from a dump: turn 0 is in ready, below a mark that is newer */
#endif
#ifndef BIG
#define BIG 1 /* may a turn be big, and may one that has waited leave? */
#endif
#ifndef PASSES
#define PASSES 0 /* how often mark_passed() is called */
#endif

#define TURNS (PUBLISHERS + SECOND) /* turn t is publisher t's, the last one may be publisher 0's second */
#define owner_of(t) ((t) < PUBLISHERS -> (t) + 1 : 1)
#define NOBODY 0
#define PUBLISHER(p) ((p) + 1)
#define LISTENER(l) (PUBLISHERS + 1 + (l))

byte append, sequencer; /* locks: the owner */
byte leaving;           /* lock: how many share it; */
bool closed;            /* the owner of "append" has it exclusively */
byte n, low;            /* the last values of ready_n and ready_low; */
byte safe_n, safe_low;  /* and what a crash leaves at least */

byte number[TURNS];     /* ready.n */
bool in_ready[TURNS];   /* has a row in `ready`, committed or not */
bool committed[TURNS];
byte id[TURNS];         /* 0: none */
byte giver[TURNS];      /* who gives it, until the commit */
bool visible[TURNS];
byte earlier[TURNS];    /* bits: the turns whose ids must be smaller */

bool untold;            /* a transaction that would have notified was rolled back: unsettled, but nothing waits */
bool begun[PUBLISHERS], ended[PUBLISHERS], dead[PUBLISHERS];
bool listens[LISTENERS], notified[LISTENERS], told[LISTENERS], killed[LISTENERS];
byte kills = KILLS, crashes = CRASHES, freezes = FREEZES, loops = LOOPS;
bool checked; /* generations has a row of this place */
#if PASSES
byte over;               /* bits: the publishers that have committed, or were rolled back */
byte after, last;        /* the row of ready_marks */
byte passed, xids;       /* bits: publishers; xids: those that have a smaller xid than made_by */
byte safe[4];            /* the same, before the transaction that writes it commits */
byte passes = PASSES;
#endif
hidden byte t1, t2, k, rank;

#define SETTLED (n <= low)
#define bit(t) (1 << (t))
#if !PASSES
#define PASSES_LEFT false
#define START low
#define passed_by(t) false
#else
#define PASSES_LEFT (passes > 0)
#define START (after > low -> after : low)
#ifndef PASSED_FORGOTTEN
#define passed_by(t) (after > low && number[t] <= after && (passed & bit(owner_of(t) - 1)))
#else
#define passed_by(t) false
#endif
#endif
#define ready_for(who, t) (in_ready[t] && giver[t] == NOBODY && (committed[t] || owner_of(t) == who) && \
                           (number[t] > START || passed_by(t)))

#if PUBLISHERS + SECOND == 2
#define ROWS_OF(who) (ready_for(who, 0) || ready_for(who, 1))
#elif PUBLISHERS + SECOND == 3
#define ROWS_OF(who) (ready_for(who, 0) || ready_for(who, 1) || ready_for(who, 2))
#else
#define ROWS_OF(who) (ready_for(who, 0) || ready_for(who, 1) || ready_for(who, 2) || ready_for(who, 3))
#endif

inline greatest_id() {
  rank = 0;
  for (t1 : 0 .. TURNS - 1) {
    if
    :: id[t1] > rank -> rank = id[t1]
    :: else
    fi
  }
}

/* One statement with one snapshot; moved: how many turns. */
inline drain(who, view, limit, moved) {
  d_step {
    greatest_id();
    moved = 0;
    for (k : 1 .. n) {
      for (t1 : 0 .. TURNS - 1) {
        if
        :: moved < limit && ready_for(who, t1) && number[t1] == k && (view & bit(t1)) ->
           rank++;
           id[t1] = rank;
           giver[t1] = who;
           moved++
        :: else
        fi
      }
    }
  }
}

/* mark_settled(), by the owner of "append" and of "leaving" alone: up to the first turn that a new snapshot shows. */
inline mark(who) {
  d_step {
    rank = n;
    for (t1 : 0 .. TURNS - 1) {
      if
      :: ready_for(who, t1) && number[t1] <= rank -> rank = number[t1] - 1
      :: else
      fi
    }
#ifdef MARK_BLIND
    rank = n;
#endif
    low = (rank > low -> rank : low)
  }
}

#if PASSES
#define OPEN_(p) (begun[p] && !(over & bit(p)) -> bit(p) : 0)
#define BEGUN_(p) (begun[p] -> bit(p) : 0)
#if PUBLISHERS == 2
#define OPEN (OPEN_(0) | OPEN_(1))
#define BEGUN (BEGUN_(0) | BEGUN_(1))
#else
#define OPEN (OPEN_(0) | OPEN_(1) | OPEN_(2))
#define BEGUN (BEGUN_(0) | BEGUN_(1) | BEGUN_(2))
#endif

/* rank: the first turn that a new snapshot shows */
inline first_turn(who) {
  rank = 255;
  for (t1 : 0 .. TURNS - 1) {
    if
    :: ready_for(who, t1) && number[t1] < rank -> rank = number[t1]
    :: else
    fi
  }
}

/* By a transaction that has no xid yet, and moves nothing before. */
inline mark_passed(who, drawn, open, first) {
#ifdef XID_FIRST
  first = BEGUN;
#endif
  drawn = n;
#ifdef LOOK_FIRST
  d_step { first_turn(who); first = rank }
#endif
  open = OPEN;
  d_step {
#ifdef LOOK_FIRST
    rank = first;
#else
    first_turn(who);
#endif
    if
#ifndef PASSED_REPLACED
    :: rank <= START -> drawn = 0
    :: rank > START ->
#else
    :: true ->
#endif
#ifdef LAST_AT_ONCE
       last = n; xids = 255;
#endif
       if
       :: last > START ->
          after = (last < rank - 1 -> last : (rank - 1 > START -> rank - 1 : START));
          passed = open & xids
       :: else
       fi;
       last = drawn
    fi
  }
#ifndef XID_FIRST
  first = BEGUN;
#endif
  d_step { xids = (drawn > 0 -> first : xids); drawn = 0; open = 0; first = 0 }
}

inline write_mark() { safe[0] = after; safe[1] = last; safe[2] = passed; safe[3] = xids }
inline lose_mark() { after = safe[0]; last = safe[1]; passed = safe[2]; xids = safe[3] }
#define ended_by(p) over = over | bit(p)
#else
#define write_mark() skip
#define lose_mark() skip
#define ended_by(p) skip
#endif

inline give_own(who, t) {
  d_step {
    greatest_id();
    rank++;
    id[t] = rank;
    giver[t] = who
  }
}

inline commit(who) {
  for (t1 : 0 .. TURNS - 1) {
    if
    :: owner_of(t1) == who && (in_ready[t1] || giver[t1] == who) -> committed[t1] = true
    :: else
    fi;
    if
    :: giver[t1] == who ->
       assert(!visible[t1]);
       giver[t1] = NOBODY;
       in_ready[t1] = false;
       visible[t1] = true
    :: else
    fi
  }
  for (t1 : 0 .. TURNS - 1) {
    for (t2 : 0 .. TURNS - 1) {
      if
      :: visible[t1] && (earlier[t1] & bit(t2)) -> assert(visible[t2] && id[t2] < id[t1])
      :: else
      fi;
      /* a reader that has seen the one would never read the other */
      assert(!visible[t1] || visible[t2] || id[t2] == 0 || id[t2] > id[t1])
    }
  }
  safe_n = n;
  safe_low = low
}

inline roll_back(who) {
  for (t1 : 0 .. TURNS - 1) {
    if
    :: giver[t1] == who -> giver[t1] = NOBODY; id[t1] = 0
    :: else
    fi;
    if
    :: owner_of(t1) == who && !committed[t1] -> in_ready[t1] = false
    :: else
    fi
  }
}

#if !BIG
#define EXPECTED false
#elif LISTENERS == 1
#define EXPECTED listens[0]
#else
#define EXPECTED (listens[0] || listens[1])
#endif

inline notify_all() {
  for (k : 0 .. LISTENERS - 1) {
    notified[k] = notified[k] || listens[k]
  }
}
