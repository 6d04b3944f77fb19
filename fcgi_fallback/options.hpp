// The operator's options, from command line and environment. docs/fallback.md documents every option; --help lists
// them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/name_pattern.hpp"

namespace pgevents::fallback {

struct ProgramOptions {
  std::string listen;  // `unix:/path` or `host:port`; empty: inherited socket or CGI
  unsigned socket_mode = 0660;
  int backlog = 511;
  unsigned processes = 0;  // 0: not given
  std::string database;    // conninfo; empty: libpq's own environment variables
  std::string primary;     // likewise, of the primary if `database` is a copy; empty: it is not
  std::string subscribe;
  std::string publish;
  std::string anonymous;
  std::string realm;
  std::vector<std::string> jwt_keys;  // each `FILE [kid=ID] [alg=ALG]`
  std::string jwt_cookie;
  bool jwt_query = false;
  std::string jwt_audience;
  std::string jwt_issuer;
  unsigned jwt_leeway = 0;  // seconds
  bool jwt_require_exp = true;
  std::vector<std::string> allow_origins;
  std::string base;
  std::string channel_pattern = kDefaultNamePattern;
  std::size_t max_channels = 64;
  std::size_t max_event_size = 2 << 20;  // bytes of a body
  unsigned poll_interval = 5;            // seconds until a client's next request
  bool presence = true;                  // a user's polls count as contact
  bool help = false;
  bool version = false;
};

// Reads the arguments, and from the environment (PGEVENTS_*) what the arguments do not set. Returns what is wrong, or
// nothing. The value of
// --database and --primary is overwritten in `argv`, because every user of the machine may read a process's arguments.
std::optional<std::string> read_options(int argc, char** argv, ProgramOptions& options);

// Reads the environment only. For CGI, where a web server may pass words of the query string as arguments (RFC 3875,
// section 4.4).
std::optional<std::string> read_environment(ProgramOptions& options);

// The variables of an environment that begin with kVariablePrefix and do not exist: misspelt, most likely.
std::vector<std::string> unknown_variables(const char* const* environment);

// How the names of our variables begin, in the environment and in FastCGI requests.
inline constexpr std::string_view kVariablePrefix = "PGEVENTS_";

// Whether a parameter of a FastCGI request is one that the program reads, or does not begin with kVariablePrefix.
bool is_request_parameter(std::string_view name);

std::string usage();

}  // namespace pgevents::fallback
