// The table of revocations against a map. The input: steps of a line each, `USER TIME` revokes (0 lifts), `~N` writes
// over the table's Nth word and `?` begins anew by attaching to what is there.
#include "core/shared/revocations.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kSlots = 16;  // one block, so that 17 users do not fit

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class Table {
 public:
  Table() : size_(Revocations::memory_size(kSlots)), memory_(new std::uint64_t[(size_ + 7) / 8]()) {
    require(!table_.attach(memory_.get(), kSlots), "there is no table in fresh memory");
    table_.create(memory_.get(), kSlots);
  }

  void step(std::string_view line) {
    if (line.empty()) {
      return;
    }
    if (line.front() == '~') {
      return damage(number_of(line.substr(1)));
    }
    if (line == "?") {
      Revocations again;
      require(again.attach(memory_.get(), kSlots) || damaged_, "the table is there for the next process");
      return;
    }
    const std::string user(take(line, ' '));
    const auto before = static_cast<std::int64_t>(number_of(line) & INT64_MAX);
    if (user.empty()) {
      return;
    }
    table_.set(user, before);
    last_[user] = before;
  }

  // Too many tokens may be refused, but only after a user had to make room.
  void check() const {
    for (const auto& [user, before] : last_) {
      for (const std::int64_t issued : {std::int64_t{0}, before - 1, before}) {
        if (issued < 0) {
          continue;
        }
        const bool refused = table_.rejects(user, issued);
        if (damaged_) {
          continue;
        }
        require(refused || issued >= before, "a revoked token is refused", user);
        require(!refused || issued < before || last_.size() > kSlots, "no other token is refused", user);
      }
    }
    const bool refused = table_.rejects("a stranger", 0);
    require(!refused || damaged_ || last_.size() > kSlots, "strangers have not been revoked");
  }

 private:
  void damage(std::uint64_t where) {
    memory_[where % (size_ / 8)] ^= where * 0x9e3779b97f4a7c15;
    damaged_ = true;
  }

  std::size_t size_;
  std::unique_ptr<std::uint64_t[]> memory_;
  Revocations table_;
  std::map<std::string, std::int64_t> last_;
  bool damaged_ = false;
};

}  // namespace

void fuzz(std::string_view input) {
  Table table;
  while (!input.empty()) {
    table.step(take(input, '\n'));
  }
  table.check();
}

}  // namespace pgevents::fuzzing
