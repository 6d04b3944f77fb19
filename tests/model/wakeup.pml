/* The wake-ups from the commit to the subscriber. Listener::pg_notified(), read_more(), caught_up() and connect()
   (ngx_module/listener/listener.cpp); RingWriter::announce() (ngx_module/listener/ring_writer.cpp);
   DatabaseWorker::start(), watch_wake_fd() and on_wake() (ngx_module/database_worker.cpp); RingFollower::look() and
   TurnScheduler::slice(), Subscriber::start(), pull(), ask_log() and page_arrived() (ngx_module/delivery/).

   The log gets events, and notifies the listeners. The listener appends rows to the ring and then writes to the
   eventfd, which no process reads and every worker watches edge-triggered: each write leaves a mark (`ready`) with
   each, which its event loop takes away BEFORE it calls the handler. One subscriber, with any cursor, comes to a worker
   at any time; if the ring does not cover its cursor it asks the log, and the page arrives when it likes. A worker does
   one thing at a time and others go on meanwhile. The listener is killed once, at any step; another one connects. The
   second worker begins to watch at any time.

   Checked: when nothing more can happen, the ring is as far as the log, and the subscriber as far as the ring. That
   holds by the wake-ups alone: neither the sweep (listener, every 10 s) nor the look once a second
   (DatabaseWorker::each_second()) is in the model. Both are nets for what is not modelled, a write to the eventfd that
   fails or a notification that is lost.

   Memory order: a worker that takes an edge from epoll_wait() has made two system calls' locks happen after the
   eventfd_write(), which comes after the publication of the head in the listener's program: it sees that head. Left
   out: what is in the ring (ring.pml, chains.pml: here it is a pair of numbers), blocked clients
   (Subscriber::on_write() calls pull()), restored logs (lease.pml). One channel; the listener is a process of its own,
   though it lives in a worker.

   Faults: WAKE_FIRST, NO_FIRST_WAKE (the new listener), EDGE_TAKEN_LATE, ONE_READS (the eventfd, and takes the mark
   from all), NO_EDGE_AT_WATCH (what was written before), CATCH_UP_FIRST (then register), NO_PULL_AFTER_PAGE,
   READ_BEFORE_LISTEN, NO_AGAIN (a notification during a read). WITNESS: a subscriber gets an event from the ring. */

#ifndef LAST
#define LAST 2 /* events */
#endif
#define ROOM 1 /* events that the ring holds */
#define WORKERS 2

byte log_head;
bool listens, notified;              /* the listener's connection */
byte floor, last;                    /* of the ring */
bool ready[WORKERS];                 /* the edge that epoll_wait() will report */
bool watched[WORKERS];
bool written;                        /* the eventfd's counter is not 0 */
byte kills = 1;
bool killed;
bool come; /* the subscriber */
byte seen[WORKERS];
byte cursor;
bool member, asked, arrived, to_serve;
byte page;

#define WRITE_EVENTFD atomic { written = true; ready[0] = watched[0]; ready[1] = watched[1] }

proctype Log() {
  do
  :: log_head < LAST -> atomic { log_head++; notified = listens }
  :: log_head == LAST -> break
  od
}

proctype Listener() {
  byte to;
  bool grown;
born:
  atomic { listens = false; notified = false; to = 0; grown = false }
  {
#ifdef READ_BEFORE_LISTEN
    to = log_head;
#endif
    listens = true;
#ifndef NO_FIRST_WAKE
    grown = true; /* connect() */
#endif
read_more:
    atomic { /* the statement's snapshot */
#ifdef READ_BEFORE_LISTEN
      to = (to == 0 || last >= to -> log_head : to);
#else
      to = log_head;
#endif
      notified = false
    }
#ifdef WAKE_FIRST
    WRITE_EVENTFD;
#endif
    do
    :: last < to -> atomic { floor = (last + 1 > ROOM -> last + 1 - ROOM : 0); last++; grown = true } /* take_event() */
#ifdef NO_AGAIN
    :: last >= to -> atomic { notified = false; break }
#else
    :: last >= to -> break
#endif
    od;
    if
    :: grown -> /* announce() */
       grown = false;
#ifndef WAKE_FIRST
       WRITE_EVENTFD
#endif
    :: else
    fi;
end:
    notified -> goto read_more /* pg_notified(), now or while it read */
  } unless { killed };
  killed = false;
  goto born
}

proctype Fate() {
  kills > 0 -> atomic { kills--; killed = true }
}

/* look_at_ring(), with the subscriber's channel marked when there is something new. */
inline look() {
  now_last = last; /* snapshot() */
  atomic {
    if
    :: member && home == me && now_last > seen[me] -> to_serve = true
    :: else
    fi;
    seen[me] = now_last;
    now_last = 0
  }
}

inline pull() {
  if
  :: member && !asked && cursor < floor -> asked = true /* ask_log() */
  :: member && !asked && cursor >= floor -> atomic { /* BlockMaker::next(), up to what the worker has seen */
       if
       :: cursor < floor -> asked = true
       :: else ->
#ifdef WITNESS
          assert(cursor == 0 || seen[me] <= cursor);
#endif
          cursor = (seen[me] > cursor -> seen[me] : cursor)
       fi
     }
  :: !member || asked
  fi
}

byte home; /* the subscriber's worker */

proctype Worker(byte me) {
  byte now_last;
  if
  :: me == 0 -> skip /* has begun */
  :: else -> /* start() */
     seen[me] = last;
#ifdef NO_EDGE_AT_WATCH
     watched[me] = true
#else
     atomic { watched[me] = true; ready[me] = written } /* epoll_ctl(ADD) reports at once what is readable */
#endif
  fi;
end:
  do
  :: ready[me] -> /* on_wake() */
#ifdef EDGE_TAKEN_LATE
     look();
     ready[me] = false
#elif defined(ONE_READS)
     atomic { ready[0] = false; ready[1] = false }
     look()
#else
     ready[me] = false;
     look()
#endif
  :: to_serve && home == me -> to_serve = false; pull() /* slice() */
  :: atomic { !come -> come = true; home = me } /* a request: start() = join(), locate(), pull() */
     if
     :: cursor = 0
     :: cursor = last
     fi;
#ifdef CATCH_UP_FIRST
     if
     :: cursor < floor -> asked = true
     :: cursor >= floor -> cursor = (seen[me] > cursor -> seen[me] : cursor)
     fi;
     member = !asked /* else when the page is there; it continues behind that */
#else
     member = true;
     pull()
#endif
  :: arrived && home == me -> /* page_arrived() */
     atomic { arrived = false; asked = false; cursor = page; page = 0 }
     member = true;
#if !defined(NO_PULL_AFTER_PAGE) && !defined(CATCH_UP_FIRST)
     pull()
#endif
  od
}

/* fetch(), in the database: a page may end before the head. */
proctype Fetch() {
end:
  do
  :: asked && !arrived -> atomic {
       page = log_head;
       if
       :: page > cursor + 1 -> page--
       :: true
       fi;
       arrived = true
     }
  od
}

proctype Judge() {
  timeout ->
    assert(come && member && last == LAST);
    assert(seen[0] == LAST && seen[1] == LAST);
    assert(cursor == LAST)
}

init {
  atomic {
    watched[0] = true;
    run Log();
    run Listener();
    run Fate();
    run Worker(1);
    run Worker(0);
    run Fetch();
    run Judge()
  }
}
