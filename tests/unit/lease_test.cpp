// The listener's lease, also with owners that were killed and with processes that race.
#include "core/shared/shared_state.hpp"

#include <cstdint>

#include "checks.hpp"
#include "race_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr std::int64_t kTtl = 1000;

// --- owners ---

START_TEST(an_owner_is_dead_when_its_process_is_gone) {
  const Child other(sleep_for_ever);
  ck_assert(!owner_is_dead(me()));
  ck_assert(!owner_is_dead(owner_of(other)));
  ck_assert(!owner_is_dead(owner_word(1, 1)));  // alive, whether this process may send it signals or not
  ck_assert(owner_is_dead(owner_word(dead_pid(), 1)));
}
END_TEST

START_TEST(numbers_that_kill_uses_for_groups_are_never_owners) {
  ck_assert(owner_is_dead(owner_word(0, 1)));
  ck_assert(owner_is_dead(owner_word(0xffffffff, 1)));
  ck_assert(owner_is_dead(owner_word(0x80000001, 1)));
}
END_TEST

// --- lease ---

START_TEST(a_free_lease_is_given_to_the_first) {
  Lease lease;
  ck_assert(lease.try_acquire(me(), 100, kTtl));
  ck_assert(lease.owned_by(me()));
}
END_TEST

START_TEST(a_lease_is_kept_from_others_until_it_runs_out) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  ck_assert(!lease.try_acquire(me(), 100 + kTtl - 1, kTtl));
  ck_assert(lease.owned_by(owner_of(other)));
  ck_assert(lease.try_acquire(me(), 100 + kTtl, kTtl));
  ck_assert(lease.owned_by(me()));
  ck_assert(!lease.try_acquire(owner_of(other), 100 + kTtl, kTtl));
}
END_TEST

START_TEST(an_owner_renews_its_lease) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  ck_assert(lease.try_acquire(owner_of(other), 900, kTtl));
  ck_assert(!lease.try_acquire(me(), 900 + kTtl - 1, kTtl));
}
END_TEST

START_TEST(a_lease_that_another_had_meanwhile_is_not_renewed_even_when_it_is_free_again) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(!lease.renew(me(), 100, kTtl));  // was never its owner
  ck_assert(lease.try_acquire(me(), 100, kTtl));
  ck_assert(lease.renew(me(), 900, kTtl));
  ck_assert(!lease.try_acquire(owner_of(other), 900 + kTtl - 1, kTtl));
  ck_assert(lease.renew(me(), 900 + kTtl, kTtl));  // late, but no other process took it
  ck_assert(lease.try_acquire(owner_of(other), 900 + 2 * kTtl, kTtl));
  ck_assert(!lease.renew(me(), 900 + 2 * kTtl, kTtl));
  lease.release(owner_of(other));
  ck_assert(!lease.renew(me(), 900 + 2 * kTtl, kTtl));
  ck_assert(lease.try_acquire(me(), 900 + 2 * kTtl, kTtl));
}
END_TEST

START_TEST(a_released_lease_is_free_at_once) {
  const Child other(sleep_for_ever);
  Lease lease;
  ck_assert(lease.try_acquire(owner_of(other), 100, kTtl));
  lease.release(me());
  ck_assert(lease.owned_by(owner_of(other)));  // this process was not its owner
  lease.release(owner_of(other));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

START_TEST(the_lease_of_a_dead_owner_is_free_at_once) {
  Lease lease;
  ck_assert(lease.try_acquire(owner_word(dead_pid(), 1), 100, kTtl));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

START_TEST(the_lease_of_a_former_process_with_our_pid_is_free_at_once) {
  Lease lease;
  ck_assert(lease.try_acquire(owner_word(static_cast<std::uint32_t>(getpid()), 0), 100, kTtl));
  ck_assert(lease.try_acquire(me(), 101, kTtl));
}
END_TEST

START_TEST(one_of_many_gets_a_lease_that_ran_out) {
  const SharedMemory counts((kItems + 1) * sizeof(RaceCount));
  const SharedMemory leases(kItems * sizeof(Lease));
  const Child former(sleep_for_ever);
  auto* const lease = static_cast<Lease*>(leases.data());
  for (std::uint32_t i = 0; i < kItems; ++i) {
    lease[i].owner = owner_of(former);
    lease[i].until_ms = 10;
  }
  race(static_cast<RaceCount*>(counts.data()),
       [lease](std::uint32_t i, std::uint64_t me) { return lease[i].try_acquire(me, 100, kTtl); });
}
END_TEST

}  // namespace

int main() {
  return run("lease", {
                          an_owner_is_dead_when_its_process_is_gone,
                          numbers_that_kill_uses_for_groups_are_never_owners,
                          a_free_lease_is_given_to_the_first,
                          a_lease_is_kept_from_others_until_it_runs_out,
                          an_owner_renews_its_lease,
                          a_lease_that_another_had_meanwhile_is_not_renewed_even_when_it_is_free_again,
                          a_released_lease_is_free_at_once,
                          the_lease_of_a_dead_owner_is_free_at_once,
                          the_lease_of_a_former_process_with_our_pid_is_free_at_once,
                          one_of_many_gets_a_lease_that_ran_out,
                      });
}
