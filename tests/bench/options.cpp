#include "options.hpp"

#include <arpa/inet.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>

namespace bench {

namespace {

constexpr const char* kHelp = R"(load --server ADDRESS:PORT [options]: subscribes, publishes, measures; prints JSON
  --subscribers N --channels N --path /events/bench{c}    subscribers and their channels ({c}: number of the channel)
  --flavor sse|long-poll|websocket --cursor pgevents|nchan transport, and the form of cursors
  --tokens FILE                                           their tokens for Authorization: Bearer, one a line
  --publish PATH --channel bench{c}                       POST to PATH + channel, or to PATH with its {channel} …
  --publish-server ADDRESS:PORT                           … on another server than the subscribers'
  --body TEMPLATE                                         … this to PATH: {channel} and {data} in JSON strings, {json} elsewhere
  --conninfo STRING                                       … or INSERT INTO pgevents.events over libpq
  --statement SQL                                         … or this statement: $1 channel, $2 {"type":"bench","data":…}
  --publishers N --rate EVENTS_PER_S --size BYTES         over N connections, at this rate, with this much data
  --batch N                                               up to N waiting events in one transaction
  --ahead N                                               as fast as possible instead, with N events under way
  --burst N                                               N events at once instead, timed from first to last delivery
  --rate 0                                                subscribe only
  --missed N                                              events published to each channel before
  --last-event-id ID --cursors N                          first cursors: ID, or ID to ID + N - 1 in turn
  --idle S --warmup S --seconds S --drain S               phases
  --sources N --source N                                  N local addresses, behind the first N (0)
  --opening N --cpu N                                     connections opened at once; the core to use
  --watch NAME=PID                                        CPU and memory of that process and its children
)";

sockaddr_in parse_address(const char* option, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const bool valid =
      colon != std::string::npos && inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) == 1;
  if (!valid) throw std::runtime_error(std::string(option) + " needs an address like 127.0.0.1:8080");
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return address;
}

Watched parse_watched(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw std::runtime_error("--watch wants NAME=PID");
  return {text.substr(0, equals), static_cast<pid_t>(std::atoi(text.c_str() + equals + 1))};
}

std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) throw std::runtime_error("--tokens: the file contains no token");
  return lines;
}

using Setter = std::function<void(const std::string&)>;

Setter address(const char* option, sockaddr_in& target) {
  return [option, &target](const std::string& text) { target = parse_address(option, text); };
}
Setter number(std::uint32_t& target) {
  return [&target](const std::string& text) {
    target = static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
  };
}
Setter real(double& target) {
  return [&target](const std::string& text) { target = std::strtod(text.c_str(), nullptr); };
}
Setter word(std::string& target) {
  return [&target](const std::string& text) { target = text; };
}

std::map<std::string, Setter> setters(Options& o) {
  return {
      {"--server", address("--server", o.server)},
      {"--subscribers", number(o.subscribers)},
      {"--channels", number(o.channels)},
      {"--sources", number(o.sources)},
      {"--source", number(o.source)},
      {"--opening", number(o.opening)},
      {"--path", word(o.path)},
      {"--channel", word(o.channel)},
      {"--flavor",
       [&o](const std::string& text) {
         o.flavor = text == "long-poll"   ? Flavor::kLongPoll
                    : text == "websocket" ? Flavor::kWebSocket
                                          : Flavor::kEventStream;
       }},
      {"--cursor", [&o](const std::string& text) { o.cursor = text == "nchan" ? Cursor::kNchan : Cursor::kPgevents; }},
      {"--tokens", [&o](const std::string& text) { o.tokens = read_lines(text); }},
      {"--publish", word(o.publish)},
      {"--publish-server", address("--publish-server", o.publish_server)},
      {"--body", word(o.body)},
      {"--conninfo", word(o.conninfo)},
      {"--statement", word(o.statement)},
      {"--publishers", number(o.publishers)},
      {"--batch", number(o.batch)},
      {"--rate", real(o.rate)},
      {"--ahead", number(o.ahead)},
      {"--burst", number(o.burst)},
      {"--size", number(o.size)},
      {"--missed", number(o.missed)},
      {"--last-event-id",
       [&o](const std::string& text) { o.last_event_id = std::strtoull(text.c_str(), nullptr, 10); }},
      {"--cursors", number(o.cursors)},
      {"--idle", real(o.idle_s)},
      {"--warmup", real(o.warmup_s)},
      {"--seconds", real(o.seconds)},
      {"--drain", real(o.drain_s)},
      {"--cpu", [&o](const std::string& text) { o.cpu = std::atoi(text.c_str()); }},
      {"--watch", [&o](const std::string& text) { o.watched.push_back(parse_watched(text)); }},
  };
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  const auto known = setters(options);
  for (int i = 1; i < argc; i += 2) {
    const auto setter = known.find(argv[i]);
    if (setter == known.end() || i + 1 >= argc) throw std::runtime_error(kHelp);
    setter->second(argv[i + 1]);
  }
  const bool can_publish = options.rate == 0 || !options.publish.empty() || !options.conninfo.empty();
  if (options.server.sin_port == 0 || !can_publish || options.channels == 0 || options.cursors == 0 ||
      options.rate < 0) {
    throw std::runtime_error(kHelp);
  }
  if (options.publish_server.sin_port == 0) options.publish_server = options.server;
  if (!options.publish.empty()) options.batch = 1;
  return options;
}

std::string for_channel(const std::string& text, std::uint32_t channel) {
  std::string result = text;
  const std::size_t at = result.find("{c}");
  if (at != std::string::npos) result.replace(at, 3, std::to_string(channel));
  return result;
}

}  // namespace bench
