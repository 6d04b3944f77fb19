// Reading the ring for one subscriber, or once for many; see block_reader.hpp.
#include "ngx_module/nginx.hpp"

#include <algorithm>

#include "ngx_module/delivery/block_reader.hpp"

namespace pgevents::nginx {
namespace {

// A block for a stream ends behind the event that takes it past this size, so that a slow reader pins little memory; the
// answer of a long poll may be longer.
constexpr std::size_t kStreamBlock = 64 * 1024;
constexpr std::size_t kArrayBlock = 1024 * 1024;
constexpr unsigned kArrayEvents = 1000;

bool full(const BlockBuilder& builder, Format format) {
  if (format == Format::kArray) {
    return builder.size() >= kArrayBlock || builder.events() >= kArrayEvents;
  }
  return builder.size() >= kStreamBlock;
}

}  // namespace

Ring::Read BlockReader::find(const Channel& channel, const Selection& selection, std::uint64_t& pos) const {
  const std::uint64_t cursor = selection.cursor;
  if (cursor >= channel.last_id) {
    return Ring::Read::kEnd;
  }
  if (channel.fresh.first_id != 0 && channel.fresh.low <= cursor && cursor < channel.fresh.first_id) {
    pos = channel.fresh.first_pos;
    return Ring::Read::kOk;
  }
  if (selection.channels.size() == 1 && selection.position.id == cursor && cursor != 0) {
    return ring_.next_in_channel(selection.position.pos, channel.name, pos);
  }
  return ring_.find_after(channel.name, cursor, pos);
}

NextBlock BlockReader::next(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms) {
  std::size_t heads = 0;
  for (const Membership& membership : selection.channels) {
    std::uint64_t pos = 0;
    switch (find(*membership.channel, selection, pos)) {
      case Ring::Read::kLost: {
        NextBlock result;
        result.lost = true;
        return result;
      }
      case Ring::Read::kEnd:
        break;
      case Ring::Read::kOk:
        if (heads == heads_.size()) {
          heads_.emplace_back();
        }
        heads_[heads].channel = membership.channel;
        heads_[heads].pos = pos;
        heads_[heads].loaded = false;
        ++heads;
    }
  }
  if (heads == 0) {
    NextBlock result;
    result.cursor = std::max(selection.cursor, seen_id);
    result.complete = true;
    return result;
  }
  if (selection.channels.size() > 1 || selection.filter != nullptr) {
    return build(selection, seen_id, now_ms, heads);
  }
  Channel::CachedBlock& made = selection.channels.front().channel->made[static_cast<int>(selection.format)];
  const std::uint64_t first_pos = heads_[0].pos;
  if (made.block == nullptr || made.first_pos != first_pos || made.seen_id != seen_id) {
    const NextBlock result = build(selection, seen_id, now_ms, heads);
    if (result.block != nullptr) {
      made = {first_pos, seen_id, result.cursor, result.complete, result.position, result.block};
    }
    return result;
  }
  return {made.block, made.cursor, made.position, made.complete, false};
}

NextBlock BlockReader::build(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms,
                             std::size_t heads) {
  NextBlock result;
  result.cursor = selection.cursor;
  result.lost = !collect(selection, seen_id, now_ms, heads, result);
  if (result.complete) {
    result.cursor = std::max(result.cursor, seen_id);
  }
  return result;
}

// Loads the entry at the head's position. False when it has been overwritten. What came into the ring after the worker last looked is
// left for the next round: another channel of the same subscriber may hold an older one of those.
bool BlockReader::load(Head& head, std::uint64_t seen_id) {
  if (ring_.read(head.pos, head.event) != Ring::Read::kOk) {
    return false;
  }
  head.loaded = head.event.id <= seen_id;
  return true;
}

// Merges the channels' chains in the order of their ids. False when the ring overtook us.
bool BlockReader::collect(const Selection& selection, std::uint64_t seen_id, std::int64_t now_ms, std::size_t heads,
                          NextBlock& result) {
  BlockBuilder builder(selection.format);
  for (std::size_t i = 0; i < heads; ++i) {
    if (!load(heads_[i], seen_id)) {
      return false;
    }
  }
  for (;;) {
    Head* first = nullptr;
    for (std::size_t i = 0; i < heads; ++i) {
      if (heads_[i].loaded && (first == nullptr || heads_[i].event.id < first->event.id)) {
        first = &heads_[i];
      }
    }
    if (first == nullptr) {
      result.complete = true;
      break;
    }
    if (full(builder, selection.format)) {
      break;
    }
    const RingEvent& event = first->event;
    const bool expired = event.expires_ms != 0 && event.expires_ms <= now_ms;
    if (!expired && event.id > result.cursor && (selection.filter == nullptr || selection.filter->passes(event.type))) {
      builder.add(event);
    }
    result.cursor = std::max(result.cursor, event.id);
    result.position = {event.id, event.pos};
    std::uint64_t next = 0;
    const Ring::Read read = ring_.next_in_channel(event.pos, first->channel->name, next);
    if (read == Ring::Read::kLost) {
      break;  // what was read is sound; the next call finds the cursor below the floor, or goes on
    }
    first->loaded = false;
    if (read == Ring::Read::kOk) {
      first->pos = next;
      if (!load(*first, seen_id)) {
        break;
      }
    }
  }
  if (!builder.empty()) {
    result.block = builder.finish();
  }
  return true;
}

}  // namespace pgevents::nginx
