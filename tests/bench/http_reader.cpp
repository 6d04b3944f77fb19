#include "http_reader.hpp"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace bench {

namespace {

constexpr std::size_t kMaxHead = 16384;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string_view ResponseHead::field(std::string_view name) const {
  for (std::string_view rest = fields; !rest.empty();) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
    const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
    return value == std::string_view::npos ? std::string_view{} : line.substr(value);
  }
  return {};
}

bool HttpReader::feed(std::string_view bytes, HttpSink& sink) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kHead:
        if (!take_head(bytes, sink)) return false;
        break;
      case State::kChunkSize:
        if (!take_chunk_size(bytes, sink)) return false;
        break;
      case State::kChunkEnd:
        if (bytes.front() == '\n') state_ = State::kChunkSize;
        bytes.remove_prefix(1);
        break;
      case State::kTrailer:
        take_trailer(bytes, sink);
        break;
      default:
        take_data(bytes, sink);
    }
  }
  return true;
}

void HttpReader::reset() {
  head_.clear();
  state_ = State::kHead;
}

bool HttpReader::take_head(std::string_view& bytes, HttpSink& sink) {
  if (head_.empty()) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      const std::string_view head = bytes.substr(0, end);
      bytes.remove_prefix(end + 4);
      return start_body(head, sink);
    }
  }
  const std::size_t before = head_.size();
  head_.append(bytes);
  const std::size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) {
    bytes = {};
    return head_.size() <= kMaxHead;
  }
  bytes.remove_prefix(end + 4 - before);
  const std::string head = head_.substr(0, end);
  head_.clear();
  return start_body(head, sink);
}

bool HttpReader::start_body(std::string_view text, HttpSink& sink) {
  if (text.size() < 12 || text.substr(0, 7) != "HTTP/1.") return false;
  ResponseHead head;
  std::from_chars(text.data() + 9, text.data() + 12, head.status);
  const std::size_t line = text.find("\r\n");
  if (line != std::string_view::npos) head.fields = text.substr(line + 2);
  if (head.status == 101) {
    state_ = State::kToClose;
    sink.on_head(head);
    return true;
  }
  if (head.status >= 100 && head.status < 200) return true;
  const std::string_view length = head.field("Content-Length");
  if (head.field("Transfer-Encoding") == "chunked") {
    state_ = State::kChunkSize;
  } else if (!length.empty()) {
    std::from_chars(length.data(), length.data() + length.size(), left_);
    state_ = State::kLength;
  } else {
    state_ = State::kToClose;
  }
  const bool no_body = head.status == 204 || head.status == 304 || (state_ == State::kLength && left_ == 0);
  if (state_ == State::kChunkSize) left_ = 0;
  sink.on_head(head);
  if (no_body) finish(sink);
  return true;
}

bool HttpReader::take_chunk_size(std::string_view& bytes, HttpSink& sink) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (c == '\n') {
      state_ = left_ > 0 ? State::kChunkData : State::kTrailer;
      blank_line_ = true;
      if (state_ == State::kTrailer) take_trailer(bytes, sink);
      return true;
    }
    if (c == '\r') continue;
    const int digit = hex_digit(c);
    if (digit < 0) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
  }
  return true;
}

void HttpReader::take_data(std::string_view& bytes, HttpSink& sink) {
  if (state_ == State::kToClose) {
    sink.on_body(bytes);
    bytes = {};
    return;
  }
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  const std::string_view piece = bytes.substr(0, size);
  bytes.remove_prefix(size);
  left_ -= size;
  sink.on_body(piece);
  if (left_ > 0) return;
  if (state_ == State::kChunkData) {
    state_ = State::kChunkEnd;
  } else {
    finish(sink);
  }
}

void HttpReader::take_trailer(std::string_view& bytes, HttpSink& sink) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    if (c == '\n') {
      if (blank_line_) return finish(sink);
      blank_line_ = true;
    } else if (c != '\r') {
      blank_line_ = false;
    }
  }
}

void HttpReader::finish(HttpSink& sink) {
  state_ = State::kHead;
  sink.on_end();
}

}  // namespace bench
