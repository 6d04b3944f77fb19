// A block: the bytes of several frames, made once and shared by all subscribers that get the same frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/shared/ring.hpp"
#include "core/wire/event.hpp"

namespace pgevents::nginx {

// kWebSocket: whole event objects; kWebSocketBare: type and data only.
enum class Format : std::uint8_t { kStream, kStreamEnvelope, kArray, kWebSocket, kWebSocketBare };
inline constexpr std::size_t kFormats = 5;

// Immutable when built. Also holds the framing of HTTP/1.1 chunked coding (RFC 9112, section 7.1) around the payload.
class Block {
 public:
  std::string_view payload() const noexcept { return view(kChunkHeader, bytes_.size() - kChunkHeader - 2); }
  std::string_view chunk() const noexcept { return view(chunk_start_, bytes_.size() - chunk_start_); }
  unsigned events() const noexcept { return events_; }
  // When its newest event was committed, microseconds since the Unix epoch; 0: it has none.
  std::int64_t newest_us() const noexcept { return newest_us_; }

 private:
  friend class BlockBuilder;
  static constexpr std::size_t kChunkHeader = 18;  // 16 hexadecimal digits, CR LF
  std::string_view view(std::size_t from, std::size_t size) const noexcept {
    return std::string_view(bytes_).substr(from, size);
  }
  std::string bytes_;
  std::size_t chunk_start_ = 0;
  unsigned events_ = 0;
  std::int64_t newest_us_ = 0;
};

using BlockRef = std::shared_ptr<const Block>;

class BlockBuilder {
 public:
  explicit BlockBuilder(Format format);
  // `json` is the event's object, `inner` the part of it that is the inner data.
  void add(std::uint64_t id, std::string_view type, std::string_view json, std::string_view inner);
  void add(const RingEvent& event);
  void add_raw(std::string_view text) { block_->bytes_ += text; }

  bool empty() const noexcept { return events() == 0; }
  std::size_t size() const noexcept { return block_->bytes_.size(); }
  unsigned events() const noexcept { return block_->events_; }
  // Returns the finished block; an array without events is `[]`. Called once, at the end.
  BlockRef finish();

 private:
  Format format_;
  std::shared_ptr<Block> block_;
};

// A block of an event stream or a WebSocket that holds only `text`.
BlockRef text_block(std::string_view text);

}  // namespace pgevents::nginx
