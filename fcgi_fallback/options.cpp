// Options: one table for names, environment variables, help and conversion; see options.hpp.
#include "fcgi_fallback/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string_view>
#include <system_error>

#include "core/text/header_value.hpp"

namespace pgevents::fallback {

namespace {

using Apply = bool (*)(ProgramOptions&, std::string_view);

// `apply` stores the value; false if it is not valid.
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
  if (result.ec != std::errc() || result.ptr != end || value < min || value > max) {
    return false;
  }
  out = value;
  return true;
}

// Bytes, or with `k` or `m` as in nginx's configuration.
bool parse_size(std::string_view text, std::size_t& out) {
  std::size_t unit = 1;
  if (!text.empty() && (text.back() == 'k' || text.back() == 'K')) {
    unit = 1 << 10;
  }
  if (!text.empty() && (text.back() == 'm' || text.back() == 'M')) {
    unit = 1 << 20;
  }
  if (unit > 1) {
    text.remove_suffix(1);
  }
  constexpr std::size_t kMax = 1 << 30;
  std::size_t number = 0;
  if (!parse_number<std::size_t>(text, 1, kMax / unit, number)) {
    return false;
  }
  out = number * unit;
  return true;
}

template <std::string ProgramOptions::*member>
bool set_text(ProgramOptions& options, std::string_view value) {
  options.*member = value;
  return true;
}

// For options whose empty value would be a mistake.
template <std::string ProgramOptions::*member>
bool set_some_text(ProgramOptions& options, std::string_view value) {
  return !value.empty() && set_text<member>(options, value);
}

template <bool ProgramOptions::*member>
bool set_switch(ProgramOptions& options, std::string_view value) {
  options.*member = value == "on";
  return value == "on" || value == "off";
}

// Appends the parts of `value`, which are separated by any of `separators`: such options may be repeated. False if
// there are none.
template <std::vector<std::string> ProgramOptions::*member>
bool add_parts(ProgramOptions& options, std::string_view value, const char* separators) {
  const bool any = value.find_first_not_of(separators) != std::string_view::npos;
  while (true) {
    const std::size_t start = value.find_first_not_of(separators);
    if (start == std::string_view::npos) {
      return any;
    }
    value.remove_prefix(start);
    const std::string_view part = value.substr(0, value.find_first_of(separators));
    (options.*member).emplace_back(part);
    value.remove_prefix(part.size());
  }
}

bool set_cookie_name(ProgramOptions& options, std::string_view value) {
  options.jwt_cookie = value;
  return is_cookie_name(value);
}

constexpr OptionSpec kOptions[] = {
    {"listen", nullptr, "ADDRESS", "own FastCGI socket: unix:/path or host:port",
     set_some_text<&ProgramOptions::listen>},
    {"socket-mode", nullptr, "MODE", "permissions of a unix socket, octal (660)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 0U, 0777U, o.socket_mode, 8); }},
    {"backlog", nullptr, "N", "connections that may wait at the own socket (511)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1, 65535, o.backlog); }},
    {"processes", nullptr, "N", "worker processes, restarted when they die (4 with --listen)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1U, 1000U, o.processes); }},
    {"database", "PGEVENTS_DATABASE", "CONNINFO", "connection string or URI, as libpq takes it",
     set_text<&ProgramOptions::database>},
    {"primary", "PGEVENTS_PRIMARY", "CONNINFO", "where to write if the database is a copy: its primary",
     set_some_text<&ProgramOptions::primary>},
    {"subscribe", "PGEVENTS_SUBSCRIBE", "PATTERNS",
     "channels that may be subscribed to: names, exact or with a trailing *", set_text<&ProgramOptions::subscribe>},
    {"publish", "PGEVENTS_PUBLISH", "PATTERNS", "channels that may be published to",
     set_text<&ProgramOptions::publish>},
    {"anonymous", "PGEVENTS_ANONYMOUS", "PATTERNS", "channels that may be subscribed to without an identity",
     set_text<&ProgramOptions::anonymous>},
    {"realm", "PGEVENTS_REALM", "NAME", "the realm of all users; tokens of another one are rejected",
     set_text<&ProgramOptions::realm>},
    {"jwt-key", "PGEVENTS_JWT_KEY", "FILE [kid=ID] [alg=ALG]", "key for tokens; may be repeated, or separated by ;",
     [](ProgramOptions& o, std::string_view v) { return add_parts<&ProgramOptions::jwt_keys>(o, v, ";"); }},
    {"jwt-cookie", "PGEVENTS_JWT_COOKIE", "NAME", "cookie that may hold a token", set_cookie_name},
    {"jwt-query", "PGEVENTS_JWT_QUERY", "on|off", "accept tokens as access_token in the query (off)",
     set_switch<&ProgramOptions::jwt_query>},
    {"jwt-audience", "PGEVENTS_JWT_AUDIENCE", "NAME", "must be in the token's claim aud",
     set_text<&ProgramOptions::jwt_audience>},
    {"jwt-issuer", "PGEVENTS_JWT_ISSUER", "NAME", "must be the token's claim iss",
     set_text<&ProgramOptions::jwt_issuer>},
    {"jwt-leeway", "PGEVENTS_JWT_LEEWAY", "SECONDS", "how much clocks may differ (0)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 0U, 86400U, o.jwt_leeway); }},
    {"jwt-require-exp", "PGEVENTS_JWT_REQUIRE_EXP", "on|off", "reject tokens that never expire (on)",
     set_switch<&ProgramOptions::jwt_require_exp>},
    {"allow-origin", "PGEVENTS_ALLOW_ORIGIN", "ORIGIN", "https://app.example, ~REGEX or *; may be repeated",
     [](ProgramOptions& o, std::string_view v) { return add_parts<&ProgramOptions::allow_origins>(o, v, " "); }},
    {"base", "PGEVENTS_BASE", "PATH", "path prefix of all requests (default: what precedes the first /events/)",
     set_text<&ProgramOptions::base>},
    {"channel-pattern", "PGEVENTS_CHANNEL_PATTERN", "REGEX", "PCRE2 pattern of channel names and event types",
     set_some_text<&ProgramOptions::channel_pattern>},
    {"max-channels", "PGEVENTS_MAX_CHANNELS", "N", "channels in one request (64)",
     [](ProgramOptions& o, std::string_view v) { return parse_number<std::size_t>(v, 1, 10000, o.max_channels); }},
    {"max-event-size", "PGEVENTS_MAX_EVENT_SIZE", "SIZE", "largest body, in bytes or with k or m (2m)",
     [](ProgramOptions& o, std::string_view v) { return parse_size(v, o.max_event_size); }},
    {"poll-interval", "PGEVENTS_POLL_INTERVAL", "SECONDS", "time until a client's next request (5)",
     [](ProgramOptions& o, std::string_view v) { return parse_number(v, 1U, 86400U, o.poll_interval); }},
    {"presence", "PGEVENTS_PRESENCE", "on|off", "a user's polls count as contact (on)",
     set_switch<&ProgramOptions::presence>},
};

// FastCGI parameters of single requests. As a CGI program it finds them in its environment.
constexpr std::string_view kRequestParameters[] = {"PGEVENTS_USER",    "PGEVENTS_REALM",     "PGEVENTS_SUBSCRIBE",
                                                   "PGEVENTS_PUBLISH", "PGEVENTS_ANONYMOUS", "PGEVENTS_BASE",
                                                   "PGEVENTS_STATUS"};

// Whether the option may be given several times; its values add up.
bool adds_up(const OptionSpec& spec) {
  return spec.name == "jwt-key" || spec.name == "allow-origin";
}

using Given = std::set<const OptionSpec*>;

const OptionSpec* find_option(std::string_view name) {
  for (const OptionSpec& spec : kOptions) {
    if (spec.name == name) {
      return &spec;
    }
  }
  return nullptr;
}

// Names the option, but not its value, which may be a password.
std::string invalid_value(std::string_view what) {
  return std::string(what) + ": not a valid value; see pgevents-fcgi --help";
}

// Copies the value that may hold a password and overwrites the original.
std::string take_secret(char* value) {
  std::string copy = value;
  std::memset(value, 'x', copy.size());
  return copy;
}

// Reads the option at argv[i] and advances `i` to its last word.
std::optional<std::string> read_argument(int argc, char** argv, int& i, ProgramOptions& options, Given& given) {
  const std::string_view word = argv[i];
  if (word.substr(0, 2) != "--") {
    return "unexpected argument: options begin with --, see pgevents-fcgi --help";
  }
  const std::size_t equals = word.find('=');
  const std::string name(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
  if (equals == std::string_view::npos && (name == "help" || name == "version")) {
    (name == "help" ? options.help : options.version) = true;
    return std::nullopt;
  }
  const OptionSpec* spec = find_option(name);
  if (spec == nullptr) {
    return "unknown option --" + name + "; see pgevents-fcgi --help";
  }
  char* value = equals == std::string_view::npos ? nullptr : argv[i] + equals + 1;
  if (value == nullptr) {
    if (i + 1 >= argc) {
      return "--" + name + " needs a value; see pgevents-fcgi --help";
    }
    value = argv[++i];
  }
  const std::string copy = name == "database" || name == "primary" ? take_secret(value) : value;
  if (!adds_up(*spec) && given.count(spec) > 0) {
    return "--" + name + " is given twice; give it once";
  }
  if (!spec->apply(options, copy)) {
    return invalid_value("--" + name);
  }
  given.insert(spec);
  return std::nullopt;
}

// Skips options that were given as arguments: a list in the environment must not be added to one of the arguments.
std::optional<std::string> read_environment_except(const Given& given, ProgramOptions& options) {
  for (const OptionSpec& spec : kOptions) {
    const char* const value = spec.environment != nullptr ? std::getenv(spec.environment) : nullptr;
    if (value == nullptr || *value == '\0' || given.count(&spec) > 0) {
      continue;
    }
    if (!spec.apply(options, value)) {
      return invalid_value(spec.environment);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_environment(ProgramOptions& options) {
  return read_environment_except({}, options);
}

std::optional<std::string> read_options(int argc, char** argv, ProgramOptions& options) {
  Given given;
  for (int i = 1; i < argc; ++i) {
    if (auto problem = read_argument(argc, argv, i, options, given)) {
      return problem;
    }
  }
  return read_environment_except(given, options);
}

bool is_request_parameter(std::string_view name) {
  const auto* const end = std::end(kRequestParameters);
  return name.substr(0, kVariablePrefix.size()) != kVariablePrefix ||
         std::find(std::begin(kRequestParameters), end, name) != end;
}

std::vector<std::string> unknown_variables(const char* const* environment) {
  std::vector<std::string> unknown;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (is_request_parameter(name)) {
      continue;
    }
    const bool known = std::any_of(std::begin(kOptions), std::end(kOptions), [name](const OptionSpec& spec) {
      return spec.environment != nullptr && name == spec.environment;
    });
    if (!known) {
      unknown.emplace_back(name);
    }
  }
  return unknown;
}

std::string usage() {
  std::string text =
      "pgevents-fcgi serves pgevents over FastCGI, or one request as a CGI program. It never waits: clients poll.\n\n"
      "  pgevents-fcgi --listen ADDRESS [OPTION…]    own socket, several processes\n"
      "  pgevents-fcgi [OPTION…]                     socket inherited from spawn-fcgi or systemd, or CGI\n\n";
  for (const OptionSpec& spec : kOptions) {
    std::string left = "  --" + std::string(spec.name) + ' ' + std::string(spec.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    text += left + std::string(spec.help);
    if (spec.environment != nullptr) {
      text += std::string(" [") + spec.environment + ']';
    }
    text += '\n';
  }
  text +=
      "  --help, --version\n\n"
      "[NAME] is the environment variable for the same value. Put passwords there, or better into libpq's\n"
      "password file or a service file. The FastCGI parameters PGEVENTS_BASE, PGEVENTS_SUBSCRIBE,\n"
      "PGEVENTS_PUBLISH, PGEVENTS_ANONYMOUS and PGEVENTS_REALM replace the options for one request;\n"
      "PGEVENTS_USER is the user that the web server has authenticated.\n"
      "Signals: TERM, INT, QUIT end the program after the requests at work; HUP reads the key files and\n"
      "replaces the workers.\n";
  return text;
}

}  // namespace pgevents::fallback
