// See frame_reader.hpp.
#include "core/web_socket/frame_reader.hpp"

#include <algorithm>

#include "core/text/utf8.hpp"

namespace pgevents::web_socket {

namespace {

constexpr unsigned kFinal = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kOpcodeBits = 0x0f;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kLengthBits = 0x7f;
constexpr unsigned kTwoBytes = 126;
constexpr unsigned kEightBytes = 127;
constexpr std::size_t kMaskBytes = 4;

bool is_known(unsigned opcode) noexcept {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

FrameReader::Found FrameReader::violation(CloseCode code) noexcept {
  close_code_ = code;
  return Found::kViolation;
}

// The memory of a message goes with it: a connection that waits for the next one holds none.
void FrameReader::forget_found() noexcept {
  if (found_) {
    found_ = false;
    std::string().swap(payload());
  }
}

FrameReader::Found FrameReader::read(std::string_view& bytes) {
  forget_found();
  while (in_payload_ || !bytes.empty()) {
    if (!in_payload_) {
      const bool complete = read_header(bytes);
      const Found wrong = header_bytes_ < 2 ? Found::kNothing : complete ? check_length() : check_start();
      if (wrong == Found::kViolation) {
        return wrong;
      }
      if (!complete) {
        return Found::kNothing;
      }
      in_payload_ = true;
    }
    read_payload(bytes);
    if (left_ > 0) {
      return Found::kNothing;
    }
    const Found found = end_frame();
    if (found != Found::kNothing) {
      return found;
    }
  }
  return Found::kNothing;
}

// How long the header is, as far as that is known.
std::size_t FrameReader::header_size() const noexcept {
  if (header_bytes_ < 2) {
    return 2;
  }
  const unsigned length = header_[1] & kLengthBits;
  return 2 + kMaskBytes + (length == kEightBytes ? 8 : length == kTwoBytes ? 2 : 0);
}

// True when the header is complete.
bool FrameReader::read_header(std::string_view& bytes) {
  while (header_bytes_ < header_size() && !bytes.empty()) {
    header_[header_bytes_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
  }
  return header_bytes_ >= 2 && header_bytes_ == header_size();
}

// Checks the first two bytes. No extension was agreed upon, so the reserved bits are 0; a client masks each frame.
FrameReader::Found FrameReader::check_start() noexcept {
  const unsigned opcode = header_[0] & kOpcodeBits;
  const bool final = (header_[0] & kFinal) != 0;
  if ((header_[0] & kReserved) != 0 || !is_known(opcode) || (header_[1] & kMasked) == 0) {
    return violation(CloseCode::kProtocolError);
  }
  opcode_ = static_cast<Opcode>(opcode);
  if (is_control()) {
    const bool good = final && (header_[1] & kLengthBits) <= kMaxControlBytes;
    return good ? Found::kNothing : violation(CloseCode::kProtocolError);
  }
  if (in_message_ != (opcode_ == Opcode::kContinuation)) {
    return violation(CloseCode::kProtocolError);
  }
  return opcode_ == Opcode::kBinary ? violation(CloseCode::kUnsupportedData) : Found::kNothing;
}

std::uint64_t FrameReader::length() const noexcept {
  const unsigned short_form = header_[1] & kLengthBits;
  if (short_form < kTwoBytes) {
    return short_form;
  }
  std::uint64_t length = 0;
  for (std::size_t at = 2; at < header_size() - kMaskBytes; ++at) {
    length = length << 8 | header_[at];
  }
  return length;
}

// Checks a complete header. A length must be written in its shortest form (section 5.2).
FrameReader::Found FrameReader::check_length() noexcept {
  if (check_start() == Found::kViolation) {
    return Found::kViolation;
  }
  const unsigned form = header_[1] & kLengthBits;
  left_ = length();
  mask_at_ = 0;
  if ((form == kTwoBytes && left_ < kTwoBytes) || (form == kEightBytes && (left_ <= 0xffff || left_ >> 63 != 0))) {
    return violation(CloseCode::kProtocolError);
  }
  if (!is_control() && (message_.size() > max_message_ || left_ > max_message_ - message_.size())) {
    return violation(CloseCode::kTooBig);
  }
  return Found::kNothing;
}

void FrameReader::read_payload(std::string_view& bytes) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  std::string& target = payload();
  const std::size_t start = target.size();
  target.append(bytes.substr(0, size));
  const unsigned char* const mask = header_ + header_bytes_ - kMaskBytes;
  for (std::size_t at = 0; at < size; ++at) {
    target[start + at] = static_cast<char>(static_cast<unsigned char>(target[start + at]) ^ mask[(mask_at_ + at) & 3]);
  }
  mask_at_ = static_cast<std::uint8_t>((mask_at_ + size) & 3);
  left_ -= size;
  bytes.remove_prefix(size);
}

FrameReader::Found FrameReader::end_frame() {
  const bool final = (header_[0] & kFinal) != 0;
  header_bytes_ = 0;
  in_payload_ = false;
  if (!is_control() && !final) {
    in_message_ = true;
    return Found::kNothing;
  }
  found_ = true;
  switch (opcode_) {
    case Opcode::kPing:
      return Found::kPing;
    case Opcode::kPong:
      return Found::kPong;
    case Opcode::kClose:
      return end_close();
    default:
      in_message_ = false;
      return utf8_valid(message_) ? Found::kText : violation(CloseCode::kInvalidText);
  }
}

FrameReader::Found FrameReader::end_close() noexcept {
  if (control_.empty()) {
    close_code_ = CloseCode::kNone;
    return Found::kClose;
  }
  const auto byte = [this](std::size_t at) { return static_cast<unsigned char>(control_[at]); };
  if (control_.size() < 2 || !is_close_code(static_cast<unsigned>(byte(0)) << 8 | byte(1))) {
    return violation(CloseCode::kProtocolError);
  }
  if (!utf8_valid(std::string_view(control_).substr(2))) {
    return violation(CloseCode::kInvalidText);
  }
  close_code_ = static_cast<CloseCode>(static_cast<unsigned>(byte(0)) << 8 | byte(1));
  return Found::kClose;
}

}  // namespace pgevents::web_socket
