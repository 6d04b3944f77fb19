/* Part of publishing.pml: the locks, the table `ready` and its sequences, what one statement or one COMMIT does to
   them, and the publishers. */

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
#ifndef FORCES
#define FORCES 0
#endif

#define TURNS (PUBLISHERS + SECOND) /* turn t is publisher t's, the last one may be publisher 0's second */
#define owner_of(t) ((t) < PUBLISHERS -> (t) + 1 : 1)
#define NOBODY 0
#define PUBLISHER(p) ((p) + 1)
#define LISTENER(l) (PUBLISHERS + 1 + (l))

byte append, sequencer; /* locks: the owner */
byte leaving;           /* lock: how many share it; */
bool closed, closing;   /* the owner of "append" has it exclusively, or waits for that */
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
byte kills = KILLS, crashes = CRASHES, freezes = FREEZES, loops = LOOPS, forces = FORCES;
bool checked; /* generations has a row of this place */
hidden byte t1, t2, k, rank;

#define SETTLED (n <= low)
#define bit(t) (1 << (t))
#define ready_for(who, t) (in_ready[t] && giver[t] == NOBODY && number[t] > low && (committed[t] || owner_of(t) == who))

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
    for (k : low + 1 .. n) {
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

inline notify_all() {
  for (k : 0 .. LISTENERS - 1) {
    notified[k] = notified[k] || listens[k]
  }
}

proctype Publisher(byte p) {
  byte t = p, drawn, moved;
  bool settled, tell, direct, shares, touched, knows, checks;
#define ME PUBLISHER(p)
#ifdef OLD_SNAPSHOT
  byte view;
  d_step {
    for (t1 : 0 .. TURNS - 1) {
      view = view | (committed[t1] << t1)
    }
    t1 = 0
  }
#define VIEW view
#else
#define VIEW 255
#endif
#ifdef SETTLED_BEFORE_LOCKS
  settled = SETTLED;
#endif
#ifdef NUMBER_BEFORE_LOCKS
  atomic { n++; number[t] = n; untold = true }
#endif
  {
    begun[p] = true;
turn: /* the application has taken its last lock: what is committed comes first */
    atomic {
      drawn = n;
      for (t1 : 0 .. TURNS - 1) {
        if
        :: committed[t1] || (t1 == p && t != p) -> earlier[t] = earlier[t] | bit(t1)
        :: else
        fi
      }
    }
#ifdef ALWAYS_SETTLED
    settled = true;
#elif !defined(SETTLED_BEFORE_LOCKS)
    settled = (drawn <= low);
#endif
#ifdef NUMBER_BEFORE_GATE
    atomic { n++; number[t] = n; untold = true }
#endif
#ifdef LOOK_BEFORE_NUMBER
    tell = (sequencer == NOBODY);
#endif
    if
    :: sequencer != NOBODY && !direct ->
       if
       :: settled -> atomic {
            if
#if RESTORED
            :: append == NOBODY && !knows -> append = ME; goto wait
#endif
            :: append == NOBODY && (!RESTORED || knows) -> append = ME; goto give
            :: append != NOBODY || OTHERS
            fi
          }
       :: !settled
       fi;
#ifdef NO_GATE
       goto leave;
#else
       atomic {
         if
         :: shares -> goto leave
         :: !shares && !closed && !closing -> leaving++; shares = true; goto leave
         :: else /* somebody settles */
         fi
       }
#endif
    :: true /* not watched; or an event that needs its id at once */
    fi;
wait:
    atomic {
      append == NOBODY || append == ME -> append = ME;
#if RESTORED
      if
      :: !knows -> /* check_generation(), once in a session */
         knows = true;
#ifndef GENERATION_LATE
         settled = false;
#endif
         if
         :: !checked -> checked = true; checks = true; low = 0
         :: else
         fi
      :: else
      fi
#endif
    }
#ifndef TRY_FAILS_DIRECT
    settled = settled || SETTLED;
#else
    settled = true;
#endif
    if
    :: settled
#if !defined(DIRECT_UNSETTLED)
    :: !settled -> /* READ COMMITTED */
       drain(ME, VIEW, 255, moved);
       atomic {
         if
#ifdef MARK_NEXT_TURN
         :: moved == 0 && leaving == shares -> closed = true
#else
         :: moved == 0 && leaving == shares && !touched -> closed = true
#endif
         :: else
         fi
       }
       if
       :: moved == 0 && closed -> mark(ME)
       :: else
       fi;
       atomic { touched = touched || moved > 0; moved = 0 }
#else
    :: !settled
#endif
    :: !settled -> /* REPEATABLE READ, SERIALIZABLE: does not see it */
#ifdef RR_DIRECT
       goto give
#endif
       atomic {
         assert(!closing);
         if
         :: !shares -> leaving++; shares = true
         :: else
         fi
       }
       tell = true;
       goto leave
    fi;
give:
    direct = true;
    give_own(ME, t);
    goto turn_end;
leave:
    atomic {
#if !defined(NUMBER_BEFORE_GATE) && !defined(NUMBER_BEFORE_LOCKS)
#ifdef NUMBER_KEPT
      if
      :: t != p && number[p] > 0 -> number[t] = number[p]
      :: else -> n++; number[t] = n
      fi;
#else
      n++;
      number[t] = n;
#endif
#endif
      in_ready[t] = true;
      touched = true
    }
#ifdef RELEASE_EARLY
    if
    :: shares -> leaving--; shares = false
    :: else
    fi;
#endif
#if !defined(LOOK_BEFORE_NUMBER) && !defined(NO_NOTE)
    tell = tell || (sequencer == NOBODY);
#endif
turn_end:
    if
    :: SECOND && t == p && p == 0 -> t = TURNS - 1; settled = false; drawn = 0; goto turn
    :: atomic {
         true;
         d_step {
           commit(ME);
           if
           :: tell -> notify_all()
           :: else
           fi
         }
       }
    :: atomic {
         true;
#if RESTORED
         checked = checked && !checks;
#endif
         d_step { roll_back(ME); untold = untold || tell }
       }
    fi;
    d_step {
      leaving = leaving - shares;
      closed = closed && append != ME;
      append = (append == ME -> NOBODY : append);
      ended[p] = true
    }
  } unless { dead[p] }
#undef ME
}
