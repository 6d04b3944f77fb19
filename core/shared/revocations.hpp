// Whose tokens are refused: users with the time before which their tokens do not count, in memory shared by all workers
// of an nginx instance. One writer at a time (it holds the caller's lock), any number of readers without a lock.
//
// Bounded: where there is no room the oldest entry goes, and then all tokens issued before its time are refused,
// whoever they belong to: too many are refused for a while, never too few. A user has his place in one of two blocks of
// 16 slots, by a digest of his name, and gets it in the emptier: so there is room until seven slots of eight are taken.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgevents {

class Revocations {
 public:
  // slots: a multiple of 16; `memory` is aligned to 8 bytes. attach() returns false when it holds no table of this
  // size.
  static std::size_t memory_size(std::size_t slots) noexcept;
  void create(void* memory, std::size_t slots) noexcept;
  bool attach(void* memory, std::size_t slots) noexcept;

  // Tokens of `user` issued before `before_us` (microseconds since the Unix epoch) are refused from now on. The last
  // call for a user counts; 0 takes the entry away. Writer only. What a killed writer left is overwritten by the next.
  void set(std::string_view user, std::int64_t before_us) noexcept;

  // issued_us 0: the token does not say when it was issued, so it counts as old.
  bool refuses(std::string_view user, std::int64_t issued_us) const noexcept;

 private:
  struct Header;
  struct Slot;
  struct Place;  // of a user

  void use(void* memory, std::size_t slots) noexcept;
  Slot* find(const Place& place) const noexcept;
  Slot* make_room(const Place& place, std::int64_t before_us) noexcept;
  void raise_floor(std::int64_t before_us) noexcept;

  Header* header_ = nullptr;
  Slot* slots_ = nullptr;
  std::size_t blocks_ = 0;
};

}  // namespace pgevents
