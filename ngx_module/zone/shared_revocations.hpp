// The revocations for all workers of the instance: two tables in shared memory. One is in use; after each connect the
// listener fills the other and switches to it, so that readers never see a half-filled table, and entries that are no
// longer revoked go.
#pragma once

#include "core/shared/revocations.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {

class SharedRevocations {
 public:
  explicit SharedRevocations(SharedRoot& root) noexcept : root_(root) {}

  // Under the zone's lock. Creates a table again that a killed listener left incomplete; it is never the one in use.
  void attach() noexcept {
    for (int i = 0; i < 2; ++i) {
      if (!tables_[i].attach(root_.revocations[i], kRevocationSlots)) {
        tables_[i].create(root_.revocations[i], kRevocationSlots);
      }
    }
  }

  // How often the table was loaded from the database; 0: never, so revocations are unknown.
  std::uint64_t loads() const noexcept { return root_.revocation_loads.load(std::memory_order_acquire); }

  // As Revocations::rejects().
  bool rejects(std::string_view user, std::int64_t issued_us) const noexcept {
    for (;;) {
      const std::uint64_t before = loads();
      const bool refused = tables_[before % 2].rejects(user, issued_us);
      if (loads() == before) {
        return refused;
      }
    }
  }

  // How many users the table in use holds.
  std::size_t used() const noexcept { return tables_[loads() % 2].used(); }

  // --- writer, under the zone's lock ---
  void set(std::string_view user, std::int64_t before_us) noexcept { tables_[loads() % 2].set(user, before_us); }

  // `fill` gets the new table, and calls set() for each row of the database.
  template <typename Fill>
  void replace(Fill&& fill) {
    const std::uint64_t next = loads() + 1;
    Revocations& table = tables_[next % 2];
    table.create(root_.revocations[next % 2], kRevocationSlots);
    fill(table);
    root_.revocation_loads.store(next, std::memory_order_release);
  }

 private:
  SharedRoot& root_;
  Revocations tables_[2];
};

}  // namespace pgevents::nginx
