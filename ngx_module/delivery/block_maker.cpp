// See block_maker.hpp.
#include "ngx_module/delivery/block_maker.hpp"

#include <algorithm>

namespace pgevents::nginx {
namespace {

// A block for a stream ends behind the event that takes it past this size, so that a slow reader pins little memory;
// the answer of a long poll may be longer.
constexpr std::size_t kStreamBlock = 64 * 1024;
constexpr std::size_t kArrayBlock = 1024 * 1024;
constexpr unsigned kArrayEvents = 1000;

bool is_full(const BlockBuilder& builder, Format format) {
  if (format == Format::kArray) {
    return builder.size() >= kArrayBlock || builder.events() >= kArrayEvents;
  }
  return builder.size() >= kStreamBlock;
}

bool passes(const Selection& selection, const RingEvent& event, std::int64_t now_ms) {
  const bool expired = event.expires_ms != 0 && event.expires_ms <= now_ms;
  return !expired && (selection.filter == nullptr || selection.filter->passes(event.type));
}

}  // namespace

// Finds the first wanted event of each channel. False when the ring no longer covers the cursor.
bool BlockMaker::find_heads(const Selection& selection) {
  head_count_ = 0;
  for (const Membership& membership : selection.channels) {
    std::uint64_t pos = 0;
    switch (find(membership, selection, pos)) {
      case Ring::Read::kLost:
        return false;
      case Ring::Read::kEnd:
        break;
      case Ring::Read::kOk:
        if (head_count_ == heads_.size()) {
          heads_.emplace_back();
        }
        heads_[head_count_].channel = membership.channel;
        heads_[head_count_].pos = pos;
        heads_[head_count_].loaded = false;
        ++head_count_;
    }
  }
  return true;
}

Ring::Read BlockMaker::find(const Membership& membership, const Selection& selection, std::uint64_t& pos) const {
  const Channel& channel = *membership.channel;
  const std::uint64_t cursor = std::max(selection.cursor, membership.after);
  if (cursor >= channel.last_id) {
    return Ring::Read::kEnd;
  }
  if (channel.current.first_id != 0 && channel.current.low <= cursor && cursor < channel.current.first_id) {
    pos = channel.current.first_pos;
    return Ring::Read::kOk;
  }
  if (selection.channels.size() == 1 && selection.position.id == cursor && cursor != 0) {
    return view_.ring.next_in_channel(selection.position.pos, channel.name, pos);
  }
  return view_.ring.find_after(channel.name, cursor, pos);
}

NextBlock BlockMaker::next(const Selection& selection, std::int64_t now_ms) {
  NextBlock next;
  if (!find_heads(selection)) {
    next.lost = true;
    return next;
  }
  if (head_count_ == 0) {
    next.cursor = std::max(selection.cursor, view_.seen_id);
    next.complete = true;
    return next;
  }
  if (head_count_ > 1 || selection.filter != nullptr) {
    return build(selection, now_ms);
  }
  // Whatever other channels each has, all that want nothing but this channel's events behind this one share a block.
  Channel& channel = *heads_[0].channel;
  Channel::CachedBlock& cached = channel.cached[static_cast<int>(selection.format)];
  const std::uint64_t first_pos = heads_[0].pos;
  if (cached.block == nullptr || cached.first_pos != first_pos || cached.seen_id != view_.seen_id) {
    next = build(selection, now_ms);
    if (next.block != nullptr) {
      cached = {first_pos, view_.seen_id, next.cursor, next.complete, next.position, next.block};
    }
    return next;
  }
  return {cached.block, cached.cursor, cached.position, cached.complete, false};
}

NextBlock BlockMaker::build(const Selection& selection, std::int64_t now_ms) {
  NextBlock next;
  next.cursor = selection.cursor;
  next.lost = !collect(selection, now_ms, next);
  if (next.complete) {
    next.cursor = std::max(next.cursor, view_.seen_id);
  }
  return next;
}

// Merges the channels' chains in the order of their ids. False when the ring has overwritten the first events.
bool BlockMaker::collect(const Selection& selection, std::int64_t now_ms, NextBlock& next) {
  if (!load_heads()) {
    return false;
  }
  BlockBuilder builder(selection.format);
  Head* head = nullptr;
  while ((head = oldest_head()) != nullptr && !is_full(builder, selection.format)) {
    const RingEvent& event = head->event;
    if (event.id > next.cursor && passes(selection, event, now_ms)) {
      builder.add(event);
    }
    next.cursor = std::max(next.cursor, event.id);
    next.position = {event.id, event.pos};
    if (!advance(*head)) {
      break;
    }
  }
  next.complete = head == nullptr;
  if (!builder.empty()) {
    next.block = builder.finish();
  }
  return true;
}

bool BlockMaker::load_heads() {
  for (std::size_t i = 0; i < head_count_; ++i) {
    if (!load(heads_[i])) {
      return false;
    }
  }
  return true;
}

BlockMaker::Head* BlockMaker::oldest_head() {
  Head* oldest = nullptr;
  for (std::size_t i = 0; i < head_count_; ++i) {
    if (heads_[i].loaded && (oldest == nullptr || heads_[i].event.id < oldest->event.id)) {
      oldest = &heads_[i];
    }
  }
  return oldest;
}

// Loads the entry at the head's position. False when it has been overwritten. An event that came into the ring after
// the worker last looked is left for the next round: see RingView::seen_id.
bool BlockMaker::load(Head& head) {
  if (view_.ring.read(head.pos, head.event) != Ring::Read::kOk) {
    return false;
  }
  head.loaded = head.event.id <= view_.seen_id;
  return true;
}

// Moves on to the channel's next event, if there is one. False when that has been overwritten: what was read is sound,
// and the next call finds the cursor below the floor, or continues.
bool BlockMaker::advance(Head& head) {
  std::uint64_t pos = 0;
  const Ring::Read read = view_.ring.next_in_channel(head.event.pos, head.channel->name, pos);
  if (read == Ring::Read::kLost) {
    return false;
  }
  head.loaded = false;
  if (read != Ring::Read::kOk) {
    return true;
  }
  head.pos = pos;
  return load(head);
}

}  // namespace pgevents::nginx
