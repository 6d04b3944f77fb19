// A writer may overtake a reader of the ring at any instruction. Here a traced child reads; after some number of
// machine instructions the parent writes, and then the child goes on. Its result must be right for the state before the
// write, or after it, or kLost.
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "checks.hpp"
#include "core/shared/ring.hpp"
#include "process_testing.hpp"
#include "ring_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr int kInterruptions = 30;  // points of a read; all of them would take too long

// A reader's result; the rest stays zero.
struct Answer {
  Ring::Read result;
  std::uint64_t pos;
  std::uint64_t id;
  std::uint64_t hash;
  Ring::Snapshot snapshot;
  char json[1000];
};

bool same(const Answer& a, const Answer& b) {
  if (a.result != Ring::Read::kOk || b.result != Ring::Read::kOk) {
    return a.result == b.result;
  }
  return a.pos == b.pos && a.id == b.id && a.hash == b.hash && a.snapshot.floor == b.snapshot.floor &&
         a.snapshot.last_id == b.snapshot.last_id && a.snapshot.head_pos == b.snapshot.head_pos &&
         a.snapshot.epoch == b.snapshot.epoch && std::strcmp(a.json, b.json) == 0;
}

struct Scene {
  explicit Scene(int events) : memory(Ring::memory_size(Ring::kMinDataBytes)), answer_memory(sizeof(Answer)) {
    ring.create(memory.data(), memory.size(), {});
    ring.reset(kFirstId);
    append_next(ring, events);
  }
  Answer& answer() const { return *static_cast<Answer*>(answer_memory.data()); }
  std::uint64_t last_id() const { return ring.snapshot().last_id; }

  SharedMemory memory;
  SharedMemory answer_memory;
  Ring ring;
};

using Reading = std::function<void(const Ring&, Answer&)>;
using Writing = std::function<void(Ring&)>;

int instructions_of(const std::function<void()>& action) {
  Traced child(action);
  int count = 0;
  while (child.step()) {
    ++count;
  }
  return count;
}

Answer ask(const Scene& scene, const Reading& read) {
  Answer answer{};
  read(scene.ring, answer);
  return answer;
}

// Runs `read` repeatedly, each time with `write` after another one of its instructions.
void interrupt_everywhere(Scene& scene, const Reading& read, const Writing& write) {
  const auto action = [&] { read(scene.ring, scene.answer()); };
  const auto* const bytes = static_cast<const char*>(scene.memory.data());
  const std::vector<char> content(bytes, bytes + scene.memory.size());
  const Answer before = ask(scene, read);
  ck_assert(before.result != Ring::Read::kLost);
  const int total = instructions_of(action);
  int seen_before = 0;
  for (int instructions = 0; instructions < total; instructions += total / kInterruptions + 1) {
    std::memcpy(scene.memory.data(), content.data(), content.size());
    scene.answer() = Answer{};
    Traced child(action);
    bool reading = true;
    for (int i = 0; i < instructions && reading; ++i) {
      reading = child.step();
    }
    write(scene.ring);
    ck_assert_msg(!reading || child.finish(), "the reader does not come to an end");
    const Answer got = scene.answer();
    ck_assert_msg(same(got, before) || got.result == Ring::Read::kLost || same(got, ask(scene, read)),
                  "after %d of %d instructions: result %d, pos %zu, id %zu", instructions, total,
                  static_cast<int>(got.result), static_cast<std::size_t>(got.pos), static_cast<std::size_t>(got.id));
    if (same(got, before)) {
      ++seen_before;
    }
  }
  ck_assert_int_gt(seen_before, 0);  // at least if the reader was nearly done
}

// --- writes that may happen meanwhile ---

Writing append_many(int count) {
  return [count](Ring& ring) { append_next(ring, count); };
}

// The database was restored, and other events get the same ids.
void begin_other_history(Ring& ring) {
  const std::uint64_t id = ring.snapshot().last_id - 60;
  ring.reset(id);
  other_history_from = id + 1;
  append_next(ring, 70);
  other_history_from = ~std::uint64_t{0};
}

// --- readings ---

Reading find(const std::string& channel, std::uint64_t after) {
  return [channel, after](const Ring& ring, Answer& answer) {
    answer.result = ring.find_after(channel, after, answer.pos);
  };
}

Reading find_behind(std::uint64_t id) {
  return find(channel_name(channel_number(next_id(id))), id);
}

// The position of the first small event behind `id`: fewer instructions to step through.
std::uint64_t small_event_behind(const Ring& ring, std::uint64_t id) {
  do {
    id = next_id(id);
  } while (TestEvent(id).data.size() > 100);
  std::uint64_t pos = 0;
  ck_assert(ring.find_after(channel_name(channel_number(id)), id - 1, pos) == Ring::Read::kOk);
  return pos;
}

Reading read_at(std::uint64_t pos, RingEvent& event) {
  event.json.reserve(Ring::kMinDataBytes);
  return [pos, &event](const Ring& ring, Answer& answer) {
    answer.result = ring.read(pos, event);
    answer.id = event.id;
    answer.pos = event.pos;
    std::memcpy(answer.json, event.json.data(), std::min(event.json.size(), sizeof answer.json - 1));
  };
}

START_TEST(find_after_while_the_whole_ring_is_overwritten) {
  Scene scene(400);
  interrupt_everywhere(scene, find_behind(scene.last_id() - 60), append_many(300));
}
END_TEST

// Events of one size and channel lie exactly where their predecessors did: the likeliest garbage is another event. Few
// of them fill the ring, so that the walk is short.
START_TEST(find_after_while_the_event_at_the_cursor_is_overwritten) {
  Scene scene(0);
  const std::string data(7900, '1');
  const auto append = [&data](Ring& ring, int count) {
    for (; count > 0; --count) {
      ck_assert(ring.append({ring.snapshot().last_id + 1, "a", 0, "t", data}, 0));
    }
  };
  append(scene.ring, 1000);
  const Reading find_second = find("a", scene.ring.snapshot().floor + 1);
  for (const int count : {1, 2}) {
    interrupt_everywhere(scene, find_second, [&](Ring& ring) { append(ring, count); });
  }
}
END_TEST

START_TEST(find_after_while_the_ring_begins_another_history) {
  Scene scene(200);
  interrupt_everywhere(scene, find_behind(scene.last_id() - 20), begin_other_history);
}
END_TEST

START_TEST(find_after_while_an_event_comes) {
  Scene scene(50);
  interrupt_everywhere(scene, find_behind(scene.last_id()), append_many(1));
}
END_TEST

// The reader may have followed the bucket to the unpublished entry when its bytes are written again.
START_TEST(find_after_while_a_killed_writer_is_succeeded) {
  Scene scene(60);
  const std::uint64_t last_id = scene.last_id();
  const TestEvent killed(next_id(last_id));
  // The writer is killed as late as possible: the entry is linked, and only its publication is missing.
  Traced writer([&] { scene.ring.append(killed.view(), 0); });
  const auto* const bytes = static_cast<const char*>(scene.memory.data());
  std::vector<char> linked;
  do {
    linked.assign(bytes, bytes + scene.memory.size());
  } while (writer.step() && scene.last_id() == last_id);
  std::memcpy(scene.memory.data(), linked.data(), linked.size());

  other_history_from = last_id + 1;
  ck_assert(TestEvent(killed.id).channel != killed.channel);
  interrupt_everywhere(scene, find(killed.channel, kFirstId), append_many(2));
  other_history_from = ~std::uint64_t{0};
}
END_TEST

START_TEST(next_in_channel_while_the_ring_is_overwritten) {
  Scene scene(400);
  const std::uint64_t id = scene.last_id() - 60;
  const std::string channel = channel_name(channel_number(next_id(id)));
  std::uint64_t pos = 0;
  ck_assert(scene.ring.find_after(channel, id, pos) == Ring::Read::kOk);
  const Reading next = [&](const Ring& ring, Answer& answer) {
    answer.result = ring.next_in_channel(pos, channel, answer.pos);
  };
  interrupt_everywhere(scene, next, append_many(300));
}
END_TEST

START_TEST(next_in_channel_while_an_event_comes) {
  Scene scene(50);
  const std::uint64_t coming = next_id(scene.last_id());
  const std::string channel = channel_name(channel_number(coming));
  std::uint64_t last = 0;
  std::uint64_t pos = 0;
  for (auto found = scene.ring.find_after(channel, kFirstId, pos); found == Ring::Read::kOk;) {
    last = pos;
    found = scene.ring.next_in_channel(last, channel, pos);
  }
  const Reading next = [&](const Ring& ring, Answer& answer) {
    answer.result = ring.next_in_channel(last, channel, answer.pos);
  };
  interrupt_everywhere(scene, next, append_many(1));
}
END_TEST

START_TEST(read_while_the_ring_is_overwritten) {
  Scene scene(400);
  RingEvent event;
  const std::uint64_t pos = small_event_behind(scene.ring, scene.last_id() - 200);
  interrupt_everywhere(scene, read_at(pos, event), append_many(300));
}
END_TEST

START_TEST(read_while_the_ring_begins_another_history) {
  Scene scene(400);
  RingEvent event;
  const std::uint64_t pos = small_event_behind(scene.ring, scene.last_id() - 200);
  interrupt_everywhere(scene, read_at(pos, event), begin_other_history);
}
END_TEST

START_TEST(read_at_the_head_while_an_event_comes) {
  Scene scene(30);
  RingEvent event;
  interrupt_everywhere(scene, read_at(scene.ring.snapshot().head_pos, event), append_many(1));
}
END_TEST

START_TEST(peek_while_the_ring_is_overwritten) {
  Scene scene(400);
  const std::uint64_t pos = small_event_behind(scene.ring, scene.last_id() - 200);
  const Reading peek = [&](const Ring& ring, Answer& answer) {
    answer.result = ring.peek(pos, answer.hash, answer.id, answer.pos);
  };
  interrupt_everywhere(scene, peek, append_many(300));
}
END_TEST

START_TEST(snapshot_while_states_are_published) {
  const Reading snapshot = [](const Ring& ring, Answer& answer) { answer.snapshot = ring.snapshot(); };
  for (const int count : {1, 3, 4, 7, 300}) {
    Scene scene(400);
    interrupt_everywhere(scene, snapshot, append_many(count));
  }
}
END_TEST

}  // namespace

int main() {
  setenv("CK_DEFAULT_TIMEOUT", "60", 0);  // seconds; for CK_FORK=yes
  return run("ring_interrupt", {
                                   find_after_while_the_whole_ring_is_overwritten,
                                   find_after_while_the_event_at_the_cursor_is_overwritten,
                                   find_after_while_the_ring_begins_another_history,
                                   find_after_while_an_event_comes,
                                   find_after_while_a_killed_writer_is_succeeded,
                                   next_in_channel_while_the_ring_is_overwritten,
                                   next_in_channel_while_an_event_comes,
                                   read_while_the_ring_is_overwritten,
                                   read_while_the_ring_begins_another_history,
                                   read_at_the_head_while_an_event_comes,
                                   peek_while_the_ring_is_overwritten,
                                   snapshot_while_states_are_published,
                               });
}
