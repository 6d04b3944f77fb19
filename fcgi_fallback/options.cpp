// Options: one table for names, environment variables, help and conversion.
#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace pgevents::fallback {

namespace {

using Apply = bool (*)(ProgramOptions&, std::string_view);

// Stores the value; false when it is not a good one.
struct OptionSpec {
  std::string_view name;
  const char* environment;  // null: command line only
  std::string_view value;   // what --help calls it
  std::string_view help;
  Apply apply;
};

template <typename Number>
bool parse_number(std::string_view text, Number min, Number max, Number& out, int base = 10) {
  const char* const end = text.data() + text.size();
  Number value{};
  const auto result = std::from_chars(text.data(), end, value, base);
  if (result.ec != std::errc() || result.ptr != end || value < min || value > max) return false;
  out = value;
  return true;
}

// Bytes, or with `k` or `m` as in nginx's configuration.
bool parse_size(std::string_view text, std::size_t& out) {
  std::size_t unit = 1;
  if (!text.empty() && (text.back() == 'k' || text.back() == 'K')) unit = 1 << 10;
  if (!text.empty() && (text.back() == 'm' || text.back() == 'M')) unit = 1 << 20;
  if (unit > 1) text.remove_suffix(1);
  constexpr std::size_t kMax = 1 << 30;
  std::size_t number = 0;
  if (!parse_number<std::size_t>(text, 1, kMax / unit, number)) return false;
  out = number * unit;
  return true;
}

template <std::string ProgramOptions::*member>
bool set_text(ProgramOptions& options, std::string_view value) {
  options.*member = value;
  return true;
}

constexpr OptionSpec kOptions[] = {
    {"listen", nullptr, "ADDRESS", "own FastCGI socket: unix:/path or host:port", set_text<&ProgramOptions::listen>},
    {"socket-mode", nullptr, "MODE", "permissions of a unix socket, octal (660)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 0U, 0777U, o.socket_mode, 8); }},
    {"backlog", nullptr, "N", "connections that may wait at the own socket (511)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1, 65535, o.backlog); }},
    {"processes", nullptr, "N", "worker processes, restarted when they die (4 with --listen)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1U, 1000U, o.processes); }},
    {"database", "PGEVENTS_DATABASE", "CONNINFO", "connection string or URI, as libpq takes it",
     set_text<&ProgramOptions::database>},
    {"subscribe", "PGEVENTS_SUBSCRIBE", "PATTERNS",
     "channels that may be listened to: names, exact or with a trailing *", set_text<&ProgramOptions::subscribe>},
    {"publish", "PGEVENTS_PUBLISH", "PATTERNS", "channels that may be published to",
     set_text<&ProgramOptions::publish>},
    {"base", "PGEVENTS_BASE", "PATH", "path prefix of all requests (default: what precedes the first /events/)",
     set_text<&ProgramOptions::base>},
    {"channel-pattern", "PGEVENTS_CHANNEL_PATTERN", "REGEX", "PCRE2 pattern of channel names and event types",
     set_text<&ProgramOptions::channel_pattern>},
    {"max-channels", "PGEVENTS_MAX_CHANNELS", "N", "channels in one request (64)",
     [](ProgramOptions& o, std::string_view v) { return parse_number<std::size_t>(v, 1, 10000, o.max_channels); }},
    {"max-event-size", "PGEVENTS_MAX_EVENT_SIZE", "SIZE", "largest publish body, in bytes or with k or m (2m)",
     [](ProgramOptions& o, std::string_view v) { return parse_size(v, o.max_event_size); }},
    {"poll-interval", "PGEVENTS_POLL_INTERVAL", "SECONDS", "when clients are told to ask again (5)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1U, 86400U, o.poll_interval); }},
};

const OptionSpec* find_option(std::string_view name) {
  for (const OptionSpec& spec : kOptions) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

// Names the option, never its value: that may be a password.
std::string complaint(std::string_view what) {
  return std::string(what) + ": not a valid value. Try pgevents-fcgi --help";
}

// Copies the value that may hold a password and overwrites the original.
std::string take_secret(char* value) {
  std::string copy = value;
  std::memset(value, 'x', copy.size());
  return copy;
}

// Reads the option at argv[i] and moves `i` to its last word.
std::optional<std::string> read_argument(int argc, char** argv, int& i, ProgramOptions& options) {
  const std::string_view word = argv[i];
  if (word.substr(0, 2) != "--") return "Unexpected argument. Try pgevents-fcgi --help";
  const std::size_t equals = word.find('=');
  const std::string name(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
  if (name == "help" || name == "version") {
    (name == "help" ? options.help : options.version) = true;
    return std::nullopt;
  }
  const OptionSpec* spec = find_option(name);
  if (spec == nullptr) return "Unknown option --" + name + ". Try pgevents-fcgi --help";
  char* value = equals == std::string_view::npos ? nullptr : argv[i] + equals + 1;
  if (value == nullptr) {
    if (i + 1 >= argc) return "--" + name + " needs a value";
    value = argv[++i];
  }
  const std::string copy = name == "database" ? take_secret(value) : value;
  if (!spec->apply(options, copy)) return complaint("--" + name);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_environment(ProgramOptions& options) {
  for (const OptionSpec& spec : kOptions) {
    const char* const value = spec.environment != nullptr ? std::getenv(spec.environment) : nullptr;
    if (value != nullptr && *value != '\0' && !spec.apply(options, value)) return complaint(spec.environment);
  }
  return std::nullopt;
}

std::optional<std::string> read_options(int argc, char** argv, ProgramOptions& options) {
  std::optional<std::string> problem = read_environment(options);
  for (int i = 1; i < argc && !problem; ++i) problem = read_argument(argc, argv, i, options);
  return problem;
}

std::string usage() {
  std::string text =
      "pgevents-fcgi: serves pgevents over FastCGI, or one request as a CGI program. It never waits: clients poll.\n\n"
      "  pgevents-fcgi --listen ADDRESS [OPTION…]    own socket, several processes\n"
      "  pgevents-fcgi [OPTION…]                     socket inherited from spawn-fcgi or systemd, or CGI\n\n";
  for (const OptionSpec& spec : kOptions) {
    std::string left = "  --" + std::string(spec.name) + ' ' + std::string(spec.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    text += left + std::string(spec.help);
    if (spec.environment != nullptr) text += std::string(" [") + spec.environment + ']';
    text += '\n';
  }
  text +=
      "  --help, --version\n\n"
      "[NAME] is the environment variable for the same. Passwords belong into it, or better into a service or "
      "password\n"
      "file of libpq. FastCGI parameters PGEVENTS_SUBSCRIBE, PGEVENTS_PUBLISH and PGEVENTS_BASE win, per request.\n"
      "Signals: TERM, INT, QUIT end after the requests at work; HUP replaces the worker processes.\n";
  return text;
}

}  // namespace pgevents::fallback
