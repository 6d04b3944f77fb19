// The order in which the places of a connection string are tried, and what libpq gets for each.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "checks.hpp"
#include "postgres/places.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using postgres::Addresses;
using postgres::Attempt;
using postgres::Host;
using postgres::Place;
using postgres::PlaceMemory;
using postgres::PlaceRules;
using Failure = postgres::PlaceMemory::Failure;

namespace {

constexpr std::int64_t kSecond = 1'000;

std::vector<Host> hosts_of(std::string_view host, std::string_view hostaddr = "", std::string_view port = "") {
  return postgres::read_hosts(host, hostaddr, port);
}

std::string text_of(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) {
    text.append(text.empty() ? "" : " ").append(place.host).append("|").append(place.address).append("|");
    text.append(place.port).append(place.is_string ? "whole" : "");
  }
  return text;
}

void assert_places(const std::vector<Host>& hosts, const Addresses& addresses, std::string_view wanted) {
  assert_text(text_of(postgres::places_of(hosts, addresses, nullptr)), wanted);
}

START_TEST(each_address_of_each_host_is_a_place) {
  const Addresses two{{"db", {"::1", "127.0.0.1"}, "", false}};
  assert_places(hosts_of("db"), two, "db|::1| db|127.0.0.1|");
  assert_places(hosts_of("/tmp,db,10.0.0.1", "", "1,2,3"), two, "/tmp||1 db|::1|2 db|127.0.0.1|2 10.0.0.1||3");
  assert_places(hosts_of("/tmp,db", "", "5433"), two, "/tmp||5433 db|::1|5433 db|127.0.0.1|5433");
  assert_places(hosts_of("a,b", "10.0.0.1,10.0.0.2"), {}, "a|10.0.0.1| b|10.0.0.2|");
  assert_places(hosts_of("", "10.0.0.1"), {}, "|10.0.0.1|");
  assert_places(hosts_of(",/tmp"), {}, "|| /tmp||");
  assert_places(hosts_of(""), {}, "||whole");
}
END_TEST

START_TEST(of_a_name_with_very_many_addresses_some_are_tried) {
  std::vector<std::string> many;
  for (int i = 0; i < 4'000; ++i) {
    many.push_back("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  }
  const auto places = postgres::places_of(hosts_of("db,/tmp"), {{"db", many, "", false}}, nullptr);
  ck_assert_uint_eq(places.size(), postgres::kMaxAddresses + 1);
  assert_text(places[15].address, "10.0.0.15");
  assert_text(places[16].host, "/tmp");
}
END_TEST

START_TEST(names_without_an_address_are_left_out) {
  const Addresses one{{"gone", {}, "not found", false}, {"db", {"127.0.0.1"}, "", false}};
  assert_places(hosts_of("gone,db", "", "1,2"), one, "db|127.0.0.1|2");
  assert_places(hosts_of("gone"), one, "");
  assert_places(hosts_of("never-looked-up"), {}, "");
}
END_TEST

// As libpq: the hosts, and the addresses of each; those of one host stay together.
START_TEST(load_balancing_shuffles_hosts_and_addresses) {
  const Addresses two{{"db", {"10.0.0.1", "10.0.0.2"}, "", false}};
  std::minstd_rand random(7);
  std::vector<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    seen.push_back(text_of(postgres::places_of(hosts_of("a,db", "10.0.0.9,"), two, &random)));
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  ck_assert_uint_eq(seen.size(), 4);
  assert_text(seen[0], "a|10.0.0.9| db|10.0.0.1| db|10.0.0.2|");
  assert_text(seen[3], "db|10.0.0.2| db|10.0.0.1| a|10.0.0.9|");
}
END_TEST

std::string sorted(const PlaceMemory& memory, std::int64_t now) {
  std::vector<Place> places{{"a", "", ""}, {"b", "", ""}, {"c", "", ""}, {"c", "", "5433"}};
  memory.sort(places, now);
  std::string text;
  for (const Place& place : places) {
    text += place.host + place.port;
  }
  return text;
}

START_TEST(a_place_that_failed_is_tried_last_for_a_while) {
  PlaceMemory memory;
  assert_text(sorted(memory, 0), "abcc5433");
  assert_that(memory.failed({"a", "", ""}, Failure::kSilent, 0), "a new failure");
  assert_that(memory.failed({"b", "", ""}, Failure::kRejected, 0), "a new failure");
  assert_text(sorted(memory, kSecond), "cc5433ba", "silent ones last");
  assert_that(memory.failed({"c", "", "5433"}, Failure::kRejected, kSecond), "the port belongs to it");
  assert_text(sorted(memory, kSecond), "cbc5433a");
  memory.connected({"b", "", ""});
  assert_text(sorted(memory, kSecond), "bcc5433a");
  assert_text(sorted(memory, 31 * kSecond), "abcc5433", "the while is over");
}
END_TEST

START_TEST(the_while_grows_with_each_failure) {
  PlaceMemory memory;
  const Place place{"a", "", ""};
  std::int64_t now = 0;
  for (const std::int64_t seconds : {30, 60, 120, 240, 480, 900, 900}) {
    memory.failed(place, Failure::kSilent, now);
    assert_that(!memory.failed(place, Failure::kSilent, now + 1), "another connection at the same time");
    assert_text(sorted(memory, now + seconds * kSecond - 1), "bcc5433a", std::to_string(seconds));
    now += seconds * kSecond;
    assert_text(sorted(memory, now), "abcc5433", std::to_string(seconds));
  }
  memory.connected(place);
  memory.failed(place, Failure::kSilent, now);
  assert_text(sorted(memory, now + 31 * kSecond), "abcc5433", "it was good in between");
}
END_TEST

PlaceRules rules_of(std::initializer_list<const char*> pairs) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto* word = pairs.begin(); word != pairs.end(); word += 2) {
    keywords.push_back(word[0]);
    values.push_back(word[1]);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  return postgres::read_rules(keywords.data(), values.data());
}

START_TEST(each_place_has_a_time_of_its_own) {
  const auto limits = [](const PlaceRules& rules) {
    return std::to_string(limit_seconds(rules, 1)) + " " + std::to_string(limit_seconds(rules, 2));
  };
  assert_text(limits(rules_of({})), "5 3");
  assert_text(limits(rules_of({"connect_timeout", "0"})), "5 3");
  assert_text(limits(rules_of({"connect_timeout", "-1"})), "5 3");
  assert_text(limits(rules_of({"connect_timeout", "1"})), "2 2", "as in libpq");
  assert_text(limits(rules_of({"connect_timeout", "10"})), "10 10");
}
END_TEST

// All that an attempt tries; `failing` fails in the first round.
std::string tried(const PlaceRules& rules, std::string_view failing) {
  PlaceMemory memory;
  Attempt attempt;
  attempt.begin({{"a", "", ""}, {"b", "", ""}}, rules);
  std::string text;
  while (attempt.next(memory, 0)) {
    text.append(text.empty() ? "" : " ").append(attempt.place().host);
    text.append(attempt.session_attrs().empty() ? "" : ":").append(attempt.session_attrs());
    memory.failed(attempt.place(), attempt.place().host == failing ? Failure::kSilent : Failure::kRejected, 0);
  }
  assert_that(!attempt.next(memory, 0), "the end stays the end");
  return text;
}

START_TEST(an_attempt_tries_every_place_once) {
  assert_text(tried(rules_of({}), ""), "a b");
  assert_text(tried(rules_of({"target_session_attrs", "read-write"}), ""), "a b", "libpq checks it at each place");
  Attempt attempt;
  attempt.begin({}, PlaceRules{});
  assert_that(!attempt.next(PlaceMemory{}, 0), "no place");
}
END_TEST

START_TEST(a_standby_is_preferred_in_a_round_of_its_own) {
  const auto rules = rules_of({"target_session_attrs", "prefer-standby"});
  assert_text(tried(rules, ""), "a:standby b:standby a:any b:any");
  assert_text(tried(rules, "a"), "a:standby b:standby b:any a:any", "silent places are last in the second round");
}
END_TEST

START_TEST(reasons_are_collected_in_a_bounded_text) {
  Attempt attempt;
  attempt.add_reason("one\n");
  attempt.add_reason("two");
  assert_text(attempt.reasons(), "one; two");
  for (int i = 0; i < 100; ++i) {
    attempt.add_reason(std::string(100, 'x'));
  }
  assert_that(attempt.reasons().size() < 1'100, "bounded");
  attempt.begin({}, PlaceRules{});
  assert_text(attempt.reasons(), "");
}
END_TEST

std::string parameters_for(const Place& place, const PlaceRules& rules) {
  const char* const keywords[] = {"user", "host", "hostaddr", "port", "target_session_attrs", nullptr};
  const char* const values[] = {"me", "a,b", ",", "1,2", "prefer-standby", nullptr};
  Attempt attempt;
  attempt.begin({place}, rules);
  assert_that(attempt.next(PlaceMemory{}, 0), "a place");
  postgres::PlaceParameters parameters(keywords, values, attempt);
  std::string text;
  for (std::size_t i = 0; parameters.keywords()[i] != nullptr; ++i) {
    text.append(text.empty() ? "" : " ").append(parameters.keywords()[i]).append("=").append(parameters.values()[i]);
  }
  return text;
}

START_TEST(libpq_gets_one_place) {
  assert_text(parameters_for({"b", "10.0.0.1", "2"}, rules_of({})),
              "user=me target_session_attrs=prefer-standby host=b hostaddr=10.0.0.1 port=2");
  assert_text(parameters_for({"b", "", ""}, rules_of({"target_session_attrs", "prefer-standby"})),
              "user=me host=b hostaddr= port= target_session_attrs=standby");
  assert_text(parameters_for({"", "", "", true}, rules_of({})),
              "user=me host=a,b hostaddr=, port=1,2 target_session_attrs=prefer-standby");
}
END_TEST

START_TEST(a_place_is_named_in_the_log) {
  assert_text(postgres::text_of({"db", "10.0.0.1", "5433"}), "server at \"db\" (10.0.0.1), port 5433");
  assert_text(postgres::text_of({"", "10.0.0.1", ""}), "server at \"10.0.0.1\"");
  assert_text(postgres::text_of({"/run/postgresql", "", ""}), "server at \"/run/postgresql\"");
  assert_text(postgres::text_of({"", "", "", true}), "server at the default socket");
}
END_TEST

}  // namespace

int main() {
  return run("postgres_places",
             {each_address_of_each_host_is_a_place, of_a_name_with_very_many_addresses_some_are_tried,
              names_without_an_address_are_left_out, load_balancing_shuffles_hosts_and_addresses,
              a_place_that_failed_is_tried_last_for_a_while, the_while_grows_with_each_failure,
              each_place_has_a_time_of_its_own, an_attempt_tries_every_place_once,
              a_standby_is_preferred_in_a_round_of_its_own, reasons_are_collected_in_a_bounded_text,
              libpq_gets_one_place, a_place_is_named_in_the_log});
}
