// The ring: the newest events of the whole log, in memory shared by all workers of an nginx instance. One writer at a
// time (it holds the caller's lock), any number of readers without a lock. Plain data and offsets only, so that the
// memory may be mapped anywhere and outlive a reload. It is a cache: a reader with a cursor below `floor` reads the
// log.
//
// Invariant: the ring holds every event of every channel with floor < id <= last_id (`Snapshot`), in id order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/shared/siphash.hpp"
#include "core/wire/event.hpp"

namespace pgevents {

// An event copied out of the ring. `json` is the object of `append_json`; the inner data lies within it.
struct RingEvent {
  std::uint64_t id = 0;
  std::uint64_t pos = 0;        // of this entry
  std::uint64_t next_pos = 0;   // of the entry behind it
  std::int64_t expires_ms = 0;  // 0: never; else on the clock given to append (monotonic milliseconds)
  std::string channel;
  std::string type;
  std::string json;
  JsonSpan data;
};

class Ring {
 public:
  struct Snapshot {
    std::uint64_t floor = 0;    // ids up to and including this one are not (or no longer) in the ring
    std::uint64_t last_id = 0;  // newest id; == floor when the ring is empty
    std::uint64_t head_pos = 0;
    std::uint64_t epoch = 0;  // changes with reset(): all earlier positions and cursors are void
  };
  enum class Read { kOk, kEnd, kLost };

  // Bytes of shared memory for `data_bytes` of events (rounded up to 8), and the smallest useful value. An event takes
  // its JSON object, channel and type, each rounded up to 8, and 64 bytes.
  static std::size_t memory_size(std::size_t data_bytes) noexcept;
  static constexpr std::size_t kMinDataBytes = 65536;

  // Lays a new, empty ring out in `memory` (zeroed or not), or attaches to an existing one. `memory` is aligned to 8
  // bytes, better to 64. `key` is that of hash(), and stays in the memory for all processes that attach. create()
  // returns false if `size` is below memory_size(kMinDataBytes), attach() if the memory does not contain a ring of this
  // layout version and size; no other call is allowed then.
  bool create(void* memory, std::size_t size, const SipKey& key) noexcept;
  bool attach(void* memory, std::size_t size) noexcept;

  Snapshot snapshot() const noexcept;
  // Bytes of events that the ring holds, and how many it can hold.
  std::uint64_t bytes_used() const noexcept;
  std::uint64_t bytes_size() const noexcept { return data_size_; }

  // --- writer, under the caller's lock ---
  // Empties the ring and sets floor = last_id = id; a new epoch begins.
  void reset(std::uint64_t id) noexcept;
  // Appends one event. Ignores ids <= last_id (false). An event too large for the ring (more than a quarter of it)
  // empties the ring: floor = last_id = id (true; readers get kLost and read the log; the epoch stays, because cursors
  // remain valid). A writer killed in the middle of append() leaves the ring valid without the event; the next writer's
  // recover() repairs the chains.
  bool append(const EventView& event, std::int64_t expires_ms) noexcept;
  // A new writer calls this before its first append(): repairs what a killed writer left.
  void recover() noexcept;
  std::int64_t last_ts_us() const noexcept;  // of the newest event, 0: unknown

  // --- readers (their output arguments are valid only with kOk) --- Sequential reading, all channels: copies the entry
  // at `pos`. kEnd: nothing appended yet; kLost: overwritten meanwhile.
  Read read(std::uint64_t pos, RingEvent& out) const noexcept;
  // Reads only hash, id and next_pos of the entry at `pos`: a cheap way to skip channels without a subscriber.
  Read peek(std::uint64_t pos, std::uint64_t& channel_hash, std::uint64_t& id, std::uint64_t& next_pos) const noexcept;
  // Finds the position of the oldest entry of `channel` with id > after. kOk: `pos`; kEnd: none up to now; kLost:
  // cursor below the floor. Walks back from the newest entry, so the cost grows with the number of entries behind the
  // cursor.
  Read find_after(std::string_view channel, std::uint64_t after, std::uint64_t& pos) const noexcept;
  // The next entry of the same channel behind the entry at `pos` (follows the channel's chain).
  Read next_in_channel(std::uint64_t pos, std::string_view channel, std::uint64_t& next) const noexcept;

  // Keyed, because clients choose channel names: see SipKey. The same in all processes that share the ring.
  std::uint64_t hash(std::string_view channel) const noexcept { return siphash(key_, channel); }

 private:
  using Word = std::atomic<std::uint64_t>;
  struct Header;
  struct State;
  struct Layout;

  static Layout layout(std::size_t size) noexcept;
  void use(void* memory, const Layout& layout) noexcept;
  std::uint64_t physical(std::uint64_t pos) const noexcept;
  Word* at(std::uint64_t pos) const noexcept;

  State load() const noexcept;
  void publish(const State& state) noexcept;
  bool holds(std::uint64_t pos, const State& seen) const noexcept;

  void empty(std::uint64_t id, std::int64_t ts_us, std::uint64_t epoch) noexcept;
  bool evict(State& state, std::uint64_t new_head) noexcept;
  void store(State& state, const EventView& event, std::int64_t expires_ms, JsonSpan span,
             std::uint64_t bytes) noexcept;
  void write_entry(std::uint64_t pos, const EventView& event, std::int64_t expires_ms, JsonSpan span,
                   std::uint64_t hash, std::uint64_t prev) noexcept;
  void unlink_unpublished(const State& state) noexcept;
  bool sound(const State& state) const noexcept;

  Read open(std::uint64_t& pos, const State& state, std::uint64_t& size) const noexcept;
  Read walk_back(std::string_view channel, std::uint64_t after, const State& state,
                 std::uint64_t& found) const noexcept;
  bool copy_out(const Word* entry, std::uint64_t size, RingEvent& out) const;
  bool header_fits(std::uint64_t pos) const noexcept;
  bool is_of(const Word* entry, std::uint64_t hash, std::string_view channel, std::uint64_t room) const noexcept;

  Header* header_ = nullptr;
  Word* buckets_ = nullptr;
  Word* data_ = nullptr;
  // Copies of constant values, so that no damage to the shared memory can lead a reader outside the block.
  std::uint64_t bucket_mask_ = 0;
  std::uint64_t data_size_ = 0;
  std::uint64_t reciprocal_ = 0;  // of data_size_, see physical()
  SipKey key_;
  std::string json_;  // the writer's buffer
};

}  // namespace pgevents
