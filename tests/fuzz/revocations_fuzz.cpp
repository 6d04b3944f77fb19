// The table of revocations compared with a map. The input: steps of a line each; `USER TIME` revokes (0: ends it), `~N`
// overwrites the table's Nth word and `?` attaches to the memory again.
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
    require(!table_.attach(memory_.get(), kSlots), "fresh memory contains no table");
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
      require(again.attach(memory_.get(), kSlots) || damaged_, "the next process attaches to the table");
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

  // Too many tokens may be rejected, but only after an entry had to make room.
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
        require(refused || issued >= before, "a revoked token is rejected", user);
        require(!refused || issued < before || last_.size() > kSlots, "no other token is rejected", user);
      }
    }
    const bool refused = table_.rejects("a stranger", 0);
    require(!refused || damaged_ || last_.size() > kSlots, "other users are not revoked");
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
