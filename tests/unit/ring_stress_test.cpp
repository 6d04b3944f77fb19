// The ring under load: a writer that overwrites as fast as it can, readers that check every byte and every id, writers
// that are killed, stopped and replaced. The same readers run as threads, for ThreadSanitizer.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring.hpp"
#include "core/shared/shared_state.hpp"
#include "process_testing.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::int64_t kSecond = 1000000;
constexpr std::int64_t kLeaseMs = 20;

// What all processes of a test share besides the ring.
struct Shared {
  std::atomic<bool> stop;
  std::atomic<std::uint64_t> reads;  // events that readers found whole and in order
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> lock;  // the caller's lock that Ring needs: the owner's word
  Lease lease;
  char problem[200];  // of a reader; empty: none
};

struct Stage {
  Stage() : ring_memory(Ring::memory_size(Ring::kMinDataBytes)), shared_memory(sizeof(Shared)) {
    std::memset(shared_memory.data(), 0, sizeof(Shared));
    ring.create(ring_memory.data(), ring_memory.size(), {});
    ring.reset(kFirstId);
  }
  Shared& shared() const { return *static_cast<Shared*>(shared_memory.data()); }

  SharedMemory ring_memory;
  SharedMemory shared_memory;
  Ring ring;
};

std::uint64_t next_of_channel(std::uint64_t id, std::size_t number) {
  do {
    id = next_id(id);
  } while (channel_number(id) != number);
  return id;
}

// --- readers: until stopped, or until one finds a fault ---

class Reader {
 public:
  explicit Reader(const Stage& stage) : shared_(stage.shared()) {
    if (!ring_.attach(stage.ring_memory.data(), stage.ring_memory.size())) {
      wrong("not attached", 0);
    }
  }

  int read_all_in_sequence() {
    Ring::Snapshot start = ring_.snapshot();
    std::uint64_t pos = start.head_pos;
    std::uint64_t last = start.last_id;
    while (running()) {
      const Ring::Snapshot before = ring_.snapshot();
      const Ring::Read result = ring_.read(pos, event_);
      if (result == Ring::Read::kOk) {
        expect(next_id(last));
        pos = event_.next_pos;
        last = event_.id;
      } else if (result == Ring::Read::kLost) {
        lose();
        start = ring_.snapshot();
        pos = start.head_pos;
        last = start.last_id;
      } else if (before.last_id > last) {
        wrong("end reached before the newest event", last);
      } else {
        sched_yield();
      }
    }
    return failed_ ? 1 : 0;
  }

  // `pause_us`: between two passes, to yield the processor.
  int read_channels(std::uint64_t seed, unsigned pause_us = 0) {
    Random random(seed);
    while (running()) {
      if (pause_us > 0) {
        usleep(pause_us);
      }
      const Ring::Snapshot now = ring_.snapshot();
      if (now.floor > now.last_id) {
        wrong("floor above the newest id", now.floor);
      }
      // One cursor in four is as old as possible: the writer is just overwriting there.
      const std::uint64_t span = random.below(4) == 0 ? 3 : now.last_id - now.floor + 1;
      read_channel(random.below(kChannels), now, now.floor + random.below(span));
    }
    return failed_ ? 1 : 0;
  }

 private:
  bool running() const { return !failed_ && !shared_.stop.load(std::memory_order_relaxed); }

  void wrong(const char* what, std::uint64_t id) {
    failed_ = true;
    std::snprintf(shared_.problem, sizeof shared_.problem, "%s, id %llu", what, static_cast<unsigned long long>(id));
  }

  void lose() { shared_.lost.fetch_add(1, std::memory_order_relaxed); }

  void expect(std::uint64_t id) {
    if (event_.id != id) {
      return wrong("another id than expected", id);
    }
    if (!is_whole(event_)) {
      return wrong("torn event", id);
    }
    shared_.reads.fetch_add(1, std::memory_order_relaxed);
  }

  void read_channel(std::size_t number, const Ring::Snapshot& now, std::uint64_t after) {
    std::uint64_t before = now.floor;  // the newest id of the test log that is not behind the cursor
    while (next_id(before) <= after) {
      before = next_id(before);
    }
    std::uint64_t id = next_of_channel(before, number);
    const std::string channel = channel_name(number);
    std::uint64_t pos = 0;
    Ring::Read result = ring_.find_after(channel, after, pos);
    for (int hops = 0; result == Ring::Read::kOk && hops < 30; ++hops) {
      result = ring_.read(pos, event_);
      if (result != Ring::Read::kOk) {
        break;
      }
      expect(id);
      id = next_of_channel(id, number);
      result = ring_.next_in_channel(pos, channel, pos);
    }
    if (result == Ring::Read::kLost) {
      lose();
    }
    if (result == Ring::Read::kEnd && id <= now.last_id) {
      wrong("end of the channel before its newest event", id);
    }
  }

  Shared& shared_;
  Ring ring_;
  RingEvent event_;
  bool failed_ = false;
};

std::vector<Child> start_readers(const Stage& stage) {
  std::vector<Child> readers;
  readers.emplace_back([&stage] { return Reader(stage).read_all_in_sequence(); });
  readers.emplace_back([&stage] { return Reader(stage).read_channels(1); });
  readers.emplace_back([&stage] { return Reader(stage).read_channels(2); });
  return readers;
}

// True once the readers have read so much, or one found a fault.
bool has_read(const Stage& stage, std::uint64_t times) {
  return stage.shared().reads.load() > times || stage.shared().problem[0] != '\0';
}

void stop_readers(const Stage& stage, std::vector<Child>& readers) {
  stage.shared().stop = true;
  for (Child& reader : readers) {
    const int status = reader.wait();
    ck_assert_msg(status == 0, "reader ended with %d: %s", status, stage.shared().problem);
  }
}

// --- writers ---

// The next event of the test log; now and then the ring is emptied instead.
void write_one(Ring& ring, Random& random) {
  const std::uint64_t id = next_id(ring.snapshot().last_id);
  if (random.below(5000) == 0) {
    ring.reset(id);
  } else {
    append_test_event(ring, id);
  }
}

int write_for_ever(const Stage& stage, std::uint64_t seed) {
  Ring ring;
  if (!ring.attach(stage.ring_memory.data(), stage.ring_memory.size())) {
    return 1;
  }
  Random random(seed);
  ring.recover();
  for (;;) {
    write_one(ring, random);
  }
}

void assert_sound(const Ring& ring) {
  const Inspection inspection(ring);
  ck_assert_msg(inspection.problem().empty(), "%s", inspection.problem().c_str());
}

START_TEST(readers_of_a_ring_that_is_overwritten_see_whole_events_in_order) {
  const Stage stage;
  std::vector<Child> readers = start_readers(stage);
  const Child writer([&stage] { return write_for_ever(stage, 3); });
  const std::int64_t deadline = now_us() + 2 * kSecond;
  const auto enough = [&stage] {
    return has_read(stage, 2000) && stage.ring.snapshot().head_pos > 100 * Ring::kMinDataBytes;
  };
  while (goes_on(deadline, enough)) {
    usleep(10000);
  }
  stop_readers(stage, readers);
}
END_TEST

START_TEST(killed_writers_leave_a_sound_ring_and_no_reader_notices) {
  Stage stage;
  std::vector<Child> readers;
  readers.emplace_back([&stage] { return Reader(stage).read_channels(7, 300); });
  const auto* const words = static_cast<const std::atomic<std::uint64_t>*>(stage.ring_memory.data());
  Random random(4);
  int kills = 0;
  int in_the_middle = 0;
  const auto enough = [&] { return kills > 50 && in_the_middle > 0 && has_read(stage, 500); };
  for (const std::int64_t deadline = now_us() + 2 * kSecond; goes_on(deadline, enough); ++kills) {
    const std::uint64_t before = stage.ring.snapshot().last_id;
    Child writer([&] { return write_for_ever(stage, random.next()); });
    ck_assert(wait_until([&] { return stage.ring.snapshot().last_id > before; }));
    for (const std::int64_t until = now_us() + static_cast<std::int64_t>(random.below(150)); now_us() < until;) {
      continue;
    }
    writer.kill_and_reap();
    if (words[3].load() != 0) {
      ++in_the_middle;  // `writing`
    }
    stage.ring.recover();
    assert_sound(stage.ring);
  }
  stop_readers(stage, readers);
}
END_TEST

// --- two writers, one lease ---

bool try_lock(std::atomic<std::uint64_t>& lock, std::uint64_t me) {
  std::uint64_t owner = lock.load();
  return (owner == 0 || owner_is_dead(owner)) && lock.compare_exchange_strong(owner, me);
}

// As a worker does it: the lease decides which one should write, the lock prevents two from writing at once.
int write_with_lease(const Stage& stage) {
  Ring ring;
  if (!ring.attach(stage.ring_memory.data(), stage.ring_memory.size())) {
    return 1;
  }
  Shared& shared = stage.shared();
  const std::uint64_t me = owner_word(static_cast<std::uint32_t>(getpid()), 1);
  Random random(me);
  for (;;) {
    const bool mine = shared.lease.try_acquire(me, now_us() / 1000, kLeaseMs);
    if (!mine || !try_lock(shared.lock, me)) {
      sched_yield();
      continue;
    }
    ring.recover();
    for (int i = 0; i < 5 && shared.lease.owned_by(me); ++i) {
      write_one(ring, random);
    }
    shared.lock = 0;
  }
}

// Stops or kills the owner of the lease, and returns true if the other process wrote meanwhile.
bool depose(const Stage& stage, std::vector<Child>& writers, bool by_killing) {
  Shared& shared = stage.shared();
  const auto holds_lease = [&shared](const Child& writer) {
    return static_cast<std::uint32_t>(shared.lease.owner.load()) == static_cast<std::uint32_t>(writer.pid());
  };
  const int owner = holds_lease(writers[0]) ? 0 : 1;
  Child& old = writers[static_cast<std::size_t>(owner)];
  if (by_killing) {
    old.kill_and_reap();
  } else {
    old.signal(SIGSTOP);
    waitpid(old.pid(), nullptr, WUNTRACED);
  }
  const bool blocked =
      !by_killing && static_cast<std::uint32_t>(shared.lock.load()) == static_cast<std::uint32_t>(old.pid());
  const std::uint64_t last_id = stage.ring.snapshot().last_id;
  const bool taken = !blocked && wait_until([&] { return stage.ring.snapshot().last_id > last_id; });
  ck_assert_msg(taken || blocked, "no other process took over");
  if (by_killing) {
    old = Child([&stage] { return write_with_lease(stage); });
  } else {
    old.signal(SIGCONT);
  }
  return taken;
}

START_TEST(a_lease_passes_between_writers_that_are_stopped_and_killed) {
  const Stage stage;
  std::vector<Child> readers = start_readers(stage);
  std::vector<Child> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&stage] { return write_with_lease(stage); });
  }
  ck_assert(wait_until([&stage] { return stage.ring.snapshot().last_id > 100; }));
  int taken = 0;
  int rounds = 0;
  const auto enough = [&] { return taken > 5 && has_read(stage, 500); };
  for (const std::int64_t deadline = now_us() + 2 * kSecond; goes_on(deadline, enough); ++rounds) {
    if (depose(stage, writers, rounds % 3 == 2)) {
      ++taken;
    }
    usleep(500 * static_cast<useconds_t>(rounds % 7));
  }
  for (Child& writer : writers) {
    writer.kill_and_reap();
  }
  stop_readers(stage, readers);
  Ring ring = stage.ring;
  ring.recover();
  assert_sound(ring);
}
END_TEST

START_TEST(threads_of_one_process_may_read_while_one_writes) {
  Stage stage;
  Shared& shared = stage.shared();
  std::thread sequence([&stage] { Reader(stage).read_all_in_sequence(); });
  std::thread channels([&stage] { Reader(stage).read_channels(5); });
  Random random(6);
  const auto enough = [&stage] { return has_read(stage, 500); };
  for (const std::int64_t deadline = now_us() + kSecond; goes_on(deadline, enough);) {
    write_one(stage.ring, random);
  }
  shared.stop = true;
  sequence.join();
  channels.join();
  ck_assert_str_eq(shared.problem, "");
  assert_sound(stage.ring);
}
END_TEST

}  // namespace

int main() {
  setenv("CK_DEFAULT_TIMEOUT", "60", 0);  // seconds; for CK_FORK=yes
  return run("ring_stress", {
                                readers_of_a_ring_that_is_overwritten_see_whole_events_in_order,
                                killed_writers_leave_a_sound_ring_and_no_reader_notices,
                                a_lease_passes_between_writers_that_are_stopped_and_killed,
                                threads_of_one_process_may_read_while_one_writes,
                            });
}
