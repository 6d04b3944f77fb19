/* The ring read in sequence: Ring::append() with evict(), write_entry(), empty() and reset()
   (core/shared/ring_write.cpp) against Ring::read() (core/shared/ring_read.cpp) as RingFollower::look_at_ring() calls
   it. chains.pml has what is linked and mended.

   The writer publishes the new tail, overwrites an entry word by word, publishes the new head, and may be killed at any
   step; its successor may have another event for the same place (the log was restored). The caller's lock keeps writers
   apart, so one process plays them all. The reader takes no lock: it loads the state, copies words, then looks at the
   tail once more.

   Checked: an accepted entry is the one that was published at its position, whole; no event is left out between two
   that were accepted without a loss, and they are in order; "end" is never returned while there is a newer event.

   Memory order: stores between two fences become visible in any order; a release store after all before it, but what is
   behind it may overtake it unless a release fence is between. The reader's loads between two fences are done in any
   order. So there are two pairs: evict()'s release fence, between the tail's publication and the first byte, with the
   acquire fence of holds(): a reader that saw a new byte sees the new tail. And the head's publication (release) with
   the load of the state (acquire). (With processors whose stores reach all others at once, as x86, ARMv8 and RISC-V, a
   fence is what is modelled here.) Left out: load() and publish() are one step each (see state.pml); all entries have
   one size, so there are neither skip entries nor sizes that are garbage (unit tests and the fuzz target `ring` have
   those); the plain copy of texts is three words here.

   Faults: PUBLISH_LATE (the tail together with the head), NO_EVICT_FENCE, NO_RELEASE_HEAD, HEAD_FIRST, NO_RECHECK,
   NO_ACQUIRE_FENCE. WITNESS: entries that are overwritten soon after are accepted. */

#define CAP 2 /* entries that the data has room for */
#ifndef APPENDS
#define APPENDS 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define EMPTIED 1 /* by an event too large for the ring, or by a restored log */
#define POSITIONS (CAP + APPENDS + EMPTIED)

typedef Entry { byte at; byte id; byte hash }; /* kData (low half of the position), kId, kHash */
typedef Published { byte tail; byte head; byte last };

Entry data[CAP];
#define entry(pos) data[(pos) % CAP]
Published shown; /* what load() finds */
byte kills = KILLS;

/* Ghosts: what was published at each position. */
byte true_id[POSITIONS], true_hash[POSITIONS];

#define PUBLISH_TAIL shown.tail = tail
#define PUBLISH_HEAD shown.head = pos + 1; shown.last = id; shown.tail = tail; true_id[pos] = id; true_hash[pos] = hash

proctype Writer() {
  byte appends = APPENDS, emptied = EMPTIED;
  byte pos, id, hash, tail, done;

#define KILL :: kills > 0 -> kills--; goto next
#define TAIL 8
#define HEAD 16

next:
  atomic { pos = 0; id = 0; hash = 0; tail = 0; done = 0 }
  if
  :: emptied > 0 -> atomic {
       emptied--;
       shown.head++;
       shown.tail = shown.head;
       if
       :: shown.last++  /* empty(): the event is in the log only */
       :: shown.last = 0 /* reset() */
       fi
     }
     goto next
  :: appends > 0 -> atomic {
       appends--;
       pos = shown.head;
       id = shown.last + 1;
       if
       :: hash = 1
       :: hash = 2
       fi;
       tail = (pos + 1 - shown.tail > CAP -> shown.tail + 1 : shown.tail)
     }
  :: appends == 0 -> goto end
  fi;

  /* evict(): published, then the fence. */
#if defined(PUBLISH_LATE)
  done = TAIL;
#elif !defined(NO_EVICT_FENCE)
  atomic { PUBLISH_TAIL; done = TAIL }
#endif
  do
#ifdef HEAD_FIRST
  :: !(done & HEAD) -> atomic { PUBLISH_HEAD; done = done | HEAD }
#else
  :: !(done & 1) -> entry(pos).at = pos; done = done | 1
  :: !(done & 2) -> entry(pos).id = id; done = done | 2
  :: !(done & 4) -> entry(pos).hash = hash; done = done | 4
#endif
#ifdef HEAD_FIRST
  :: (done & HEAD) && !(done & 1) -> entry(pos).at = pos; done = done | 1
  :: (done & HEAD) && !(done & 2) -> entry(pos).id = id; done = done | 2
  :: (done & HEAD) && !(done & 4) -> entry(pos).hash = hash; done = done | 4
#elif defined(NO_RELEASE_HEAD)
  :: (done & TAIL) && !(done & HEAD) -> atomic { PUBLISH_HEAD; done = done | HEAD }
#else
  :: done == 15 -> atomic { PUBLISH_HEAD; done = done | HEAD } /* release: after all that is before it */
#endif
  :: !(done & TAIL) -> atomic { PUBLISH_TAIL; done = done | TAIL }
  :: done == 31 -> goto next
  KILL
  od;
end:
  skip
}

/* holds(): the tail again, behind an acquire fence. */
#ifdef NO_RECHECK
#define HOLDS true
#else
#define HOLDS (shown.tail <= pos)
#endif

proctype Reader() {
  byte pos, last, tail, head, newest, at, id, hash, done;
  bool held;
restart:
  atomic { pos = shown.head; last = shown.last; at = 0; id = 0; hash = 0; held = false; done = 0; tail = 0; head = 0; newest = 0 }
  do
  :: newest = shown.last; /* of an earlier look than read()'s own */
     atomic { tail = shown.tail; head = shown.head }
     if
     :: pos == head -> atomic { assert(newest <= last); tail = 0; head = 0; newest = 0 }
     :: pos != head && (pos < tail || pos > head) -> goto restart
     :: else ->
        atomic { tail = 0; head = 0; newest = 0 }
        do
        :: !(done & 1) -> at = entry(pos).at; done = done | 1
        :: !(done & 2) -> id = entry(pos).id; done = done | 2
        :: !(done & 4) -> hash = entry(pos).hash; done = done | 4
#ifdef NO_ACQUIRE_FENCE
        :: !(done & 8) -> held = HOLDS; done = done | 8
#else
        :: done == 7 -> held = HOLDS; done = done | 8
#endif
        :: done == 15 -> break
        od;
        if
        :: at != pos || !held -> goto restart
        :: else -> atomic {
             assert(id == true_id[pos] && hash == true_hash[pos]);
             assert(id == last + 1);
#ifdef WITNESS
             assert(shown.tail <= pos);
#endif
             last = id;
             pos++;
             at = 0; id = 0; hash = 0; held = false; done = 0
           }
        fi
     fi
  od
}

init {
  atomic { shown.tail = CAP; shown.head = CAP }
  run Writer();
  run Reader()
}
