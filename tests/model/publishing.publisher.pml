/* Part of publishing.pml: the publishers. */

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
gate:
#ifdef NO_GATE
       goto leave;
#else
       atomic {
         if
         :: shares -> goto leave
         :: !shares && !closed -> leaving++; shares = true; goto leave
         :: else /* somebody settles */
         fi
       }
#endif
    :: EXPECTED && !direct -> goto gate /* a big turn */
    :: true /* not watched; or an event that needs its id at once */
    fi;
wait:
#if BIG
    if
    :: append == NOBODY && sequencer != NOBODY && !direct -> goto gate /* turn_waits() gives "append" back */
    :: true
    fi;
#endif
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
    :: !settled && EXPECTED && !direct -> /* READ COMMITTED, one turn of what was left */
       drain(ME, VIEW, 1, moved);
       atomic { touched = touched || moved > 0; moved = 0 }
#ifndef PART_DIRECT
       if
       :: ROWS_OF(ME) -> goto behind
       :: else
       fi
#endif
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
behind:
       atomic {
         if
         :: !shares -> leaving++; shares = true
         :: else
         fi
       }
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
           ended_by(p);
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
         d_step { roll_back(ME); ended_by(p); untold = untold || tell }
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
