/* The published state of the ring: Ring::publish() and Ring::load() (core/shared/ring_layout.cpp), with their fences.

   What a reader must see at one instant (tail, head, floor, …) is written into the next of kStates slots, and then its
   number, `generation`, is published. A reader copies the slot of the generation that it saw, and begins again when the
   writer may have come to that slot meanwhile. The writer may be killed at any step; its successor publishes under the
   same number.

   Checked: what load() returns is one publication as a whole, the one of its generation, and never an older one than
   before.

   Memory order: stores between two fences become visible in any order (a relaxed store waits in a store buffer), loads
   between two fences are done in any order. A release store becomes visible after all stores before it, and stores
   behind it may overtake it unless a release fence is between. The other models take load() and publish() for one step
   each, which is shown here.

   Faults: NO_RELEASE_FENCE (in publish), NO_RELEASE_STORE (of the generation), NO_ACQUIRE_FENCE (in load),
   CHECK_ONE_LATER, NO_RECHECK. WITNESS: a load can succeed while a publication is going on. */

#define SLOTS 3 /* kStates; 8 in the code */
#ifdef CHECK_ONE_LATER
#define LIMIT SLOTS
#else
#define LIMIT (SLOTS - 1)
#endif
#define LAST 6 /* publications; more than two rounds of the slots */

typedef Slot { byte word[2] };
Slot slots[SLOTS];
byte generation; /* as readers see it */
byte stored;     /* as the writer stored it; it is in the store buffer while it is ahead of `generation` */
byte stamp;      /* ghost: each attempt to publish writes words of its own */
byte truth[LAST + 1]; /* ghost: what was published under a number */
byte kills = 2;

#define KILL :: kills > 0 -> kills--; goto killed

/* The buffered store of the generation becomes visible. A killed writer's buffer empties by itself. */
#define DRAIN :: generation != stored -> generation = stored

proctype Writer() {
  byte next, done;
begin:
  do
  :: stored == LAST -> goto end
  :: else ->
     d_step { next = stored + 1; stamp++; done = 0; truth[next] = stamp }
#ifndef NO_RELEASE_FENCE
     generation = stored; /* the fence: the last generation is visible before these words */
#endif
     do
     :: !(done & 1) -> slots[next % SLOTS].word[0] = stamp; done = done | 1
     :: !(done & 2) -> slots[next % SLOTS].word[1] = stamp; done = done | 2
     DRAIN
#ifdef NO_RELEASE_STORE
     :: stored != next && generation == stored -> stored = next
     :: done == 3 && stored == next -> break
#else
     :: done == 3 && generation == stored -> stored = next; break
#endif
     KILL
     od
  od;
killed:
  generation = stored;
  goto begin;
end:
  generation = stored
}

proctype Reader() {
  byte seen, first, second, check, before, done;
  do
  :: before == LAST -> break
  :: else ->
     seen = generation; /* acquire: the words are loaded behind it */
     done = 0;
     do
     :: !(done & 1) -> first = slots[seen % SLOTS].word[0]; done = done | 1
     :: !(done & 2) -> second = slots[seen % SLOTS].word[1]; done = done | 2
#ifdef NO_ACQUIRE_FENCE
     :: !(done & 4) -> check = generation; done = done | 4
     :: done == 7 -> break
#else
     :: done == 3 -> check = generation; break
#endif
     od;
     atomic {
       if
#ifdef NO_RECHECK
       :: true ->
#else
       :: check - seen < LIMIT ->
#endif
          assert(first == second);         /* whole */
          assert(first == truth[seen]);    /* and of this generation */
          assert(seen >= before);          /* time does not go back */
#ifdef WITNESS
          assert(check == seen);
#endif
          before = seen
       :: else
       fi;
       first = 0; second = 0; check = 0; seen = 0; done = 0
     }
  od
}

init {
  run Writer();
  run Reader()
}
