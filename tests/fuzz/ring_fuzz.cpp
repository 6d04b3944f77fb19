// The ring in shared memory, sound and damaged. The input: steps of a line each.
//   +CHANNEL N  appends an event of N bytes      !N  begins anew at id N
//   ~N V        changes the bits V of word N     ?   attaches a second reader
//   *           says that a writer was killed, and lets the next one mend
// A sound ring is compared with a list of its events. For a damaged one the only requirement is that no call reads or
// writes beyond it, and that all calls return.
#include "core/shared/ring.hpp"

#include <algorithm>
#include <charconv>

#include "core/shared/ring_memory.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kMaxSteps = 200;

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

struct Entry {
  std::uint64_t id;
  std::string channel;
  std::size_t data_size;
};

class Model {
 public:
  Model() : size_(Ring::memory_size(Ring::kMinDataBytes)), memory_(new std::uint64_t[size_ / 8]()) {
    require(!ring_.attach(memory_.get(), size_), "fresh memory contains no ring");
    require(ring_.create(memory_.get(), size_, {}), "the memory is large enough");
  }

  void step(std::string_view line) {
    if (line.empty()) {
      return;
    }
    const char what = line.front();
    line.remove_prefix(1);
    if (what == '+') {
      append(std::string(take(line, ' ')), number_of(line) % Ring::kMinDataBytes);
    }
    if (what == '!') {
      reset(number_of(line));
    }
    if (what == '~') {
      damage(line);
    }
    if (what == '?') {
      read_with_another();
    }
    if (what == '*') {
      mend();
    }
  }

  void read(const Ring& ring) {
    const Ring::Snapshot seen = ring.snapshot();
    if (!damaged_) {
      require(seen.last_id == last_id_, "the newest id is known");
    }
    for (const std::string& channel : channels_) {
      read_channel(ring, channel, seen);
    }
    RingEvent event;
    for (std::uint64_t offset = 0; damaged_ && offset < 200; ++offset) {
      ring.read(seen.head_pos - offset * 8, event);
    }
  }
  void read() { read(ring_); }

 private:
  void append(const std::string& channel, std::size_t data_size) {
    const std::string data(data_size, '7');
    EventView event;
    event.id = ++last_id_;
    event.channel = channel;
    event.type = "t";
    event.data = data;
    const bool appended = ring_.append(event, 0);
    require(appended || damaged_, "an event with a new id is appended");
    entries_.push_back({event.id, channel, data_size > 0 ? data_size : 4});
    if (std::find(channels_.begin(), channels_.end(), channel) == channels_.end()) {
      channels_.push_back(channel);
    }
  }

  void reset(std::uint64_t id) {
    last_id_ = id % INT64_MAX;
    ring_.reset(last_id_);
    entries_.clear();
  }

  // The first word marks a ring; the others may contain anything.
  void damage(std::string_view line) {
    const std::uint64_t where = number_of(take(line, ' '));
    memory_[1 + where % (size_ / 8 - 1)] ^= number_of(line);
    damaged_ = true;
  }

  void mend() {
    memory_[3] = 1;  // Header::writing
    ring_.recover();
  }

  void read_with_another() {
    Ring other;
    if (other.attach(memory_.get(), size_)) {
      read(other);
    } else {
      require(damaged_, "the next process attaches to the ring");
    }
  }

  // All events of a channel behind the floor, by its chain.
  void read_channel(const Ring& ring, const std::string& channel, const Ring::Snapshot& seen) {
    std::uint64_t pos = 0;
    Ring::Read found = ring.find_after(channel, seen.floor, pos);
    for (const Entry& entry : entries_) {
      if (entry.channel != channel || entry.id <= seen.floor) {
        continue;
      }
      require(found == Ring::Read::kOk || damaged_, "an event behind the floor is found", channel);
      if (found != Ring::Read::kOk) {
        return;
      }
      check_entry(ring, entry, pos);
      found = ring.next_in_channel(pos, channel, pos);
    }
    require(found == Ring::Read::kEnd || damaged_, "no others follow", channel);
  }

  void check_entry(const Ring& ring, const Entry& entry, std::uint64_t pos) {
    RingEvent event;
    const Ring::Read read = ring.read(pos, event);
    require(read != Ring::Read::kOk || event.json.size() <= size_, "no event is larger than the ring");
    if (damaged_) {
      return;
    }
    require(read == Ring::Read::kOk && event.id == entry.id, "it is the event that was appended");
    require_equal(event.channel, entry.channel, "it has its channel");
    require(event.data.data_size == entry.data_size, "it has its data");
  }

  std::size_t size_;
  std::unique_ptr<std::uint64_t[]> memory_;
  Ring ring_;
  std::vector<Entry> entries_;
  std::vector<std::string> channels_{"a channel without events"};
  std::uint64_t last_id_ = 0;
  bool damaged_ = false;
};

}  // namespace

void fuzz(std::string_view input) {
  Model model;
  for (std::size_t i = 0; i < kMaxSteps && !input.empty(); ++i) {
    model.step(take(input, '\n'));
  }
  model.read();
}

}  // namespace pgevents::fuzzing
