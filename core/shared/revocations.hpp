// Users whose tokens are revoked, each with the time before which their tokens are rejected, in memory shared by all
// workers of an nginx instance. One writer at a time (it holds the caller's lock), any number of readers without a
// lock.
//
// Bounded: without room the oldest entry goes, and then all users' tokens issued before its time are rejected: too many
// for a while, never too few. The digest of a user's name selects two blocks of 16 slots, and the entry goes into the
// emptier one, so the table has room until seven slots of eight are taken.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgevents {

class Revocations {
 public:
  // slots: a multiple of 16; `memory` is aligned to 8 bytes. attach() returns false if it does not contain a table of
  // this size.
  static std::size_t memory_size(std::size_t slots) noexcept;
  void create(void* memory, std::size_t slots) noexcept;
  bool attach(void* memory, std::size_t slots) noexcept;

  // Tokens of `user` issued before `before_us` (microseconds since the Unix epoch) are rejected from now on. The last
  // call for a user counts; 0 removes the entry. Writer only. The next writer overwrites what a killed one left.
  void set(std::string_view user, std::int64_t before_us) noexcept;

  // How many users the table holds now.
  std::size_t used() const noexcept;

  // issued_us 0: the time of issue is unknown, so the token counts as old.
  bool rejects(std::string_view user, std::int64_t issued_us) const noexcept;

 private:
  struct Header;
  struct Slot;
  struct UserKey;

  void use(void* memory, std::size_t slots) noexcept;
  Slot* find(const UserKey& key) const noexcept;
  Slot* make_room(const UserKey& key, std::int64_t before_us) noexcept;
  void raise_floor(std::int64_t before_us) noexcept;

  Header* header_ = nullptr;
  Slot* slots_ = nullptr;
  std::size_t blocks_ = 0;
};

}  // namespace pgevents
