// See block.hpp.
#include "ngx_module/delivery/block.hpp"

#include <utility>

#include "core/web_socket/messages.hpp"

namespace pgevents::nginx {

BlockBuilder::BlockBuilder(Format format) : format_(format), block_(std::make_shared<Block>()) {
  block_->bytes_.assign(Block::kChunkHeader, '0');
  if (format_ == Format::kArray) {
    block_->bytes_ += '[';
  }
}

void BlockBuilder::add(std::uint64_t id, std::string_view type, std::string_view json, std::string_view inner) {
  std::string& bytes = block_->bytes_;
  switch (format_) {
    case Format::kArray:
      bytes.append(empty() ? "" : ",").append(json);
      break;
    case Format::kWebSocket:
      web_socket::append_event(bytes, json);
      break;
    case Format::kWebSocketBare:
      web_socket::append_bare_event(bytes, type, inner);
      break;
    default:
      append_sse(bytes, type, format_ == Format::kStream ? inner : json, id);
  }
  ++block_->events_;
  block_->newest_us_ = time_in_json(json);
}

void BlockBuilder::add(const RingEvent& event) {
  const std::string_view json(event.json);
  add(event.id, event.type, json, json.substr(event.data.data_offset, event.data.data_size));
}

BlockRef BlockBuilder::finish() {
  std::string& bytes = block_->bytes_;
  if (format_ == Format::kArray) {
    bytes += ']';
  }
  std::size_t size = bytes.size() - Block::kChunkHeader;
  bytes += "\r\n";
  std::size_t at = Block::kChunkHeader;
  bytes[--at] = '\n';
  bytes[--at] = '\r';
  do {
    bytes[--at] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  block_->chunk_start_ = at;
  return std::move(block_);
}

BlockRef text_block(std::string_view text) {
  BlockBuilder builder(Format::kStream);
  builder.add_raw(text);
  return builder.finish();
}

}  // namespace pgevents::nginx
