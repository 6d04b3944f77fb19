/* The chains of the ring: store(), recover(), empty() and reset() (core/shared/ring_write.cpp) against find_after() and
   next_in_channel() (core/shared/ring_read.cpp), as BlockMaker::find() and BlockMaker::collect() call them.

   The writer notes what it will link (`writing`, `pending_bucket`), publishes the new tail, writes the entry, links it
   behind the newest of its bucket, in both directions, and publishes the new head. Killed at any step it leaves links
   that lead to nothing; the next writer mends them, may be killed at that too, and may write another event at the same
   place, of another bucket.

   Checked: with kOk find_after() has found the oldest event of the channel behind the cursor, next_in_channel() the
   oldest behind the position, with kEnd there is none, compared with what was published when the call began; recover()
   leaves exactly the published entries, each reachable from its bucket, and no link behind the head.

   Memory order is as in ring.pml: the words of an entry become visible in any order, the bucket after them, `next`
   after the bucket (release), the head after all. recover()'s stores become visible in any order, the publication that
   counts them (`repairs`) after them and, by the fence in evict(), before a byte is written again. find_after() ends
   with an acquire fence. Left out: load() and publish() are one step each (state.pml); entries of one size; a bucket
   has one channel.

   Faults: NO_UNLINK, NO_EVICT_FENCE, NO_RELEASE_LINK, NO_NOTE (of what will be linked), HEAD_BEFORE_LINK in the writer;
   NO_RECHECK, NO_ACQUIRE_FENCE, NO_REPAIRS_CHECK, NO_EPOCH_CHECK, NO_HEAD_CHECK in the reader. WITNESS_FOUND,
   WITNESS_NEXT, WITNESS_NONE: each answer is given, also while the writer goes on. */

#define CAP 2 /* entries that the data has room for */
#ifndef APPENDS
#define APPENDS 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define EMPTIED 1 /* by an event too large for the ring, or by a restored log */
#define POSITIONS (CAP + APPENDS + EMPTIED)

typedef Entry { byte id; byte hash; byte prev; byte next };
typedef Published { byte tail; byte head; byte floor; byte last; byte epoch; byte repairs };

Entry data[CAP];
#define entry(pos) data[(pos) % CAP]
byte bucket[2]; /* of the channels 0 and 1 */
bool writing;
byte pending_bucket, pending_prev;
Published shown; /* what load() finds */
byte kills = KILLS;

/* Ghosts: what was published at each position. */
byte true_id[POSITIONS], true_hash[POSITIONS];

proctype Writer() {
  byte appends = APPENDS, emptied = EMPTIED;
  byte pos, id, hash, prev, tail, done;

#define KILL :: kills > 0 -> kills--; goto killed
#define MAY_BE_KILLED if KILL :: true fi
#define PUBLISH_TAIL \
  if \
  :: shown.tail != tail -> shown.floor = true_id[shown.tail]; shown.tail = tail \
  :: else \
  fi
#define PUBLISH_HEAD shown.head = pos + 1; shown.last = id; true_id[pos] = id; true_hash[pos] = hash

killed:
  atomic { pos = 0; id = 0; hash = 0; prev = 0; tail = 0; done = 0 }
  if
  :: writing -> /* recover() */
     do
#ifndef NO_UNLINK
     :: !(done & 1) -> atomic {
          if
          :: bucket[pending_bucket] >= shown.head -> bucket[pending_bucket] = pending_prev
          :: else
          fi;
          done = done | 1
        }
     :: !(done & 2) -> atomic {
          if
          :: pending_prev >= shown.tail && pending_prev < shown.head && entry(pending_prev).next >= shown.head ->
             entry(pending_prev).next = 0
          :: else
          fi;
          done = done | 2
        }
     :: done == 3 -> break
     KILL
#else
     :: break
#endif
     od;
     shown.repairs++;
     MAY_BE_KILLED;
     atomic {
       pos = shown.tail;
       do
       :: pos < shown.head -> /* sound() */
          assert(entry(pos).id == true_id[pos] && entry(pos).hash == true_hash[pos]);
          assert(bucket[true_hash[pos]] >= pos && entry(pos).next < shown.head);
          pos++
       :: else -> break
       od;
       assert(bucket[0] < shown.head && bucket[1] < shown.head);
       pos = 0;
       writing = false;
       done = 0
     }
  :: else
  fi;

next:
  atomic { pos = 0; id = 0; hash = 0; prev = 0; tail = 0; done = 0 }
  if
  :: emptied > 0 -> atomic {
       emptied--;
       shown.head++;
       shown.tail = shown.head;
       if
       :: shown.last++ /* empty(): the event is in the log only */
       :: shown.last = 0; shown.epoch++ /* reset() */
       fi;
       shown.floor = shown.last
     }
     goto next
  :: appends > 0 -> atomic {
       appends--;
       pos = shown.head;
       id = shown.last + 1;
       if
       :: hash = 0
       :: hash = 1
       fi;
       tail = (pos + 1 - shown.tail > CAP -> shown.tail + 1 : shown.tail);
#ifndef NO_NOTE
       pending_bucket = hash
#endif
     }
  :: appends == 0 -> goto end
  fi;
#ifndef NO_NOTE
  MAY_BE_KILLED;
  pending_prev = bucket[hash];
  MAY_BE_KILLED;
  writing = true; /* release */
#endif
  MAY_BE_KILLED;

  /* evict() and its fence, write_entry() */
  atomic {
    prev = (bucket[hash] >= tail && bucket[hash] < pos -> bucket[hash] : 0);
#ifndef NO_EVICT_FENCE
    PUBLISH_TAIL;
    done = 16
#endif
  }
  do
  :: !(done & 16) -> atomic { PUBLISH_TAIL; done = done | 16 }
  :: !(done & 1) -> entry(pos).id = id; done = done | 1
  :: !(done & 2) -> entry(pos).hash = hash; done = done | 2
  :: !(done & 4) -> entry(pos).prev = prev; done = done | 4
  :: !(done & 8) -> entry(pos).next = 0; done = done | 8
#ifdef HEAD_BEFORE_LINK
  :: done == 31 -> atomic { PUBLISH_HEAD; done = 63 }
  :: done == 63 -> bucket[hash] = pos; break
#elif defined(NO_RELEASE_LINK)
  :: !(done & 32) -> bucket[hash] = pos; done = done | 32
  :: done == 63 -> break
#else
  :: done == 31 -> bucket[hash] = pos; break /* release */
#endif
  KILL
  od;
  MAY_BE_KILLED;
  if
  :: prev != 0 -> entry(prev).next = pos /* release */
  :: else
  fi;
  MAY_BE_KILLED;
  atomic { PUBLISH_HEAD; done = 0; tail = 0; prev = 0; id = 0 } /* release */
  MAY_BE_KILLED;
  writing = false; /* release */
  goto next;
end:
  skip
}

#ifdef NO_RECHECK
#define RECHECK false
#else
#define RECHECK true
#endif
#ifdef NO_EPOCH_CHECK
#define OTHER_EPOCH false
#else
#define OTHER_EPOCH (then.epoch != later.epoch)
#endif
#ifdef NO_REPAIRS_CHECK
#define REPAIRED false
#else
#define REPAIRED (then.repairs != later.repairs)
#endif

#define LOAD(s) \
  s.tail = shown.tail; s.head = shown.head; s.floor = shown.floor; s.epoch = shown.epoch; s.repairs = shown.repairs
#define FORGET(s) s.tail = 0; s.head = 0; s.floor = 0; s.epoch = 0; s.repairs = 0

/* `wanted`: the position, from `wanted` on, of the channel's oldest event behind `after`, as it was published. */
#define EXPECT \
  do \
  :: wanted < then.head && !(true_hash[wanted] == channel && true_id[wanted] > after) -> wanted++ \
  :: else -> break \
  od; \
  wanted = (wanted < then.head -> wanted : 0)

proctype Reader() {
  byte channel, after, pos, found, wanted, word;
  Published then, later;
lost:
  atomic { FORGET(then); FORGET(later); after = 0; pos = 0; found = 0; wanted = 0; word = 0; channel = 0 }
end:
  atomic { /* find_after() begins */
    shown.floor < shown.last;
    if
    :: channel = 0
    :: channel = 1
    fi;
    after = shown.floor;
    do
    :: after + 1 < shown.last -> after++
    :: after < shown.last -> break
    od;
    LOAD(then);
    wanted = then.tail;
    EXPECT
  }
  pos = bucket[channel]; /* acquire */
#ifdef NO_ACQUIRE_FENCE
  atomic { LOAD(later) }
#endif
  do
  :: pos < then.tail -> break
  :: pos >= then.tail && pos < then.head ->
     if
     :: entry(pos).id <= after -> break
     :: else
     fi;
     if
     :: entry(pos).hash == channel -> found = pos
     :: else
     fi;
     goto back
#ifdef NO_HEAD_CHECK
  :: pos >= then.head ->
     found = pos;
#else
  :: pos >= then.head -> /* newer, or left by a killed writer */
#endif
back:
     word = entry(pos).prev;
     if
     :: word >= pos -> goto lost
     :: else -> pos = word; word = 0
     fi
  od;
#ifndef NO_ACQUIRE_FENCE
  atomic { LOAD(later) }
#endif
  if
  :: RECHECK && (later.floor > after || OTHER_EPOCH || REPAIRED || (found != 0 && found < later.tail)) -> goto lost
  :: else -> assert(found == wanted)
  fi;
#ifdef WITNESS_FOUND
  assert(found == 0 || shown.tail <= found);
#endif
#ifdef WITNESS_NONE
  assert(found != 0 || shown.last <= after + 1);
#endif
  atomic { pos = found; found = 0; wanted = 0; after = 0; FORGET(later); FORGET(then) }
  if
  :: pos == 0 -> goto lost
  :: else
  fi;
  do
  :: atomic { LOAD(then); wanted = pos + 1 } /* next_in_channel() begins: open() */
     if
     :: pos < then.tail -> goto lost
     :: else -> atomic { EXPECT }
     fi;
     word = entry(pos).next; /* acquire */
     if
     :: word != 0 && word < then.head && word <= pos -> goto lost
     :: else
     fi;
     if
     :: RECHECK && shown.tail > pos -> goto lost
     :: else -> assert((word >= then.head -> 0 : word) == wanted)
     fi;
#ifdef WITNESS_NEXT
     assert(wanted == 0 || shown.tail <= wanted);
#endif
     if
     :: wanted == 0 -> goto lost
     :: else -> atomic { pos = wanted; word = 0; FORGET(then); wanted = 0 }
     fi
  od
}

init {
  atomic { shown.tail = CAP; shown.head = CAP }
  run Writer();
  run Reader()
}
