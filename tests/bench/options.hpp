// The command line of the load generator: `--name value` pairs. `--help` prints what they mean.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "subscriber.hpp"
#include "watch.hpp"

namespace bench {

struct Options {
  sockaddr_in server{};
  std::uint32_t subscribers = 1;
  std::uint32_t channels = 1;
  std::uint32_t sources = 1;    // local addresses 127.0.0.1, 127.0.0.2, …
  std::uint32_t source = 0;     // so many of them are others'
  std::uint32_t opening = 256;  // connections at the same time, well below the servers' backlog
  std::string path = "/events/bench{c}";
  std::string channel = "bench{c}";
  Flavor flavor = Flavor::kEventStream;
  Cursor cursor = Cursor::kPgevents;
  std::string publish;           // path of a POST, see HttpPublisher; empty: `statement` over `conninfo`
  std::string body;              // what to POST; empty: the data
  sockaddr_in publish_server{};  // by default `server`
  std::string conninfo;
  std::string statement = "INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)";
  std::vector<std::string> tokens;  // subscriber n sends the n-th, in turn
  std::uint32_t publishers = 4;
  std::uint32_t batch = 1;   // the most waiting events that one transaction takes
  double rate = 10;          // events per second over all channels; 0: subscribers only listen
  std::uint32_t ahead = 0;   // instead of a rate: as fast as possible, with this many events under way
  std::uint32_t burst = 0;   // instead of both: this many at once, and the time until all have arrived
  std::uint32_t size = 200;  // bytes of an event's data
  double idle_s = 0;         // after opening, before memory is read
  double warmup_s = 1;
  double seconds = 5;
  double drain_s = 10;  // the most time for events that are still under way
  int cpu = -1;
  std::uint32_t missed = 0;         // events that each channel already has, numbered from 1
  std::uint64_t last_event_id = 0;  // subscriber n begins after last_event_id + n % cursors; 0: from now on
  std::uint32_t cursors = 1;
  std::vector<Watched> watched;  // --watch NAME=PID, repeatable
};

// Throws std::runtime_error with a message for the user.
Options parse_options(int argc, char** argv);

// `text` with `{c}` replaced by the channel's number.
std::string for_channel(const std::string& text, std::uint32_t channel);

}  // namespace bench
