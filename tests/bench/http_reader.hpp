// Reads HTTP/1.1 responses (RFC 9112) as they arrive, in any pieces: bodies with a length, chunked, or up to the end of
// the connection. Used by the subscribers and by the HTTP publisher of the load generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

struct ResponseHead {
  int status = 0;
  std::string_view fields;  // the header lines, valid during on_head only

  // The value of the first field of that name (compared without case), or an empty view.
  std::string_view field(std::string_view name) const;
};

class HttpSink {
 public:
  virtual void on_head(const ResponseHead& head) = 0;
  virtual void on_body(std::string_view piece) = 0;
  virtual void on_end() = 0;

 protected:
  ~HttpSink() = default;
};

class HttpReader {
 public:
  // Takes bytes from the socket; false if they are not HTTP.
  bool feed(std::string_view bytes, HttpSink& sink);
  // Must be called for a new connection.
  void reset();
  // True between two responses: nothing of a response has been read, or all of it.
  bool between_responses() const { return state_ == State::kHead && head_.empty(); }

 private:
  enum class State : std::uint8_t { kHead, kLength, kToClose, kChunkSize, kChunkData, kChunkEnd, kTrailer };

  bool take_head(std::string_view& bytes, HttpSink& sink);
  bool start_body(std::string_view head, HttpSink& sink);
  bool take_chunk_size(std::string_view& bytes, HttpSink& sink);
  void take_data(std::string_view& bytes, HttpSink& sink);
  void take_trailer(std::string_view& bytes, HttpSink& sink);
  void finish(HttpSink& sink);

  std::string head_;  // an incomplete head
  std::uint64_t left_ = 0;
  State state_ = State::kHead;
  bool blank_line_ = true;  // in a trailer: the line is empty so far
};

}  // namespace bench
