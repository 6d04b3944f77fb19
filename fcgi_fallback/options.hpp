// What the operator says: command line and environment. docs/fallback.md documents every option; --help lists them.
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
  unsigned poll_interval = 5;            // seconds until clients ask again
  bool presence = true;                  // polls count as contact of their users
  bool help = false;
  bool version = false;
};

// Reads the arguments, and the environment (PGEVENTS_*) for what they leave open. Returns what is wrong, if anything is. The value
// of --database is overwritten in `argv`, because everybody on the machine may read a process's arguments.
std::optional<std::string> read_options(int argc, char** argv, ProgramOptions& options);

// The environment only. For CGI, where a web server may pass words of the query string as arguments (RFC 3875, 4.4).
std::optional<std::string> read_environment(ProgramOptions& options);

// The names in an environment that begin as ours do and mean nothing: misspelt, most likely.
std::vector<std::string> unknown_variables(const char* const* environment);

// How the names of our variables begin, in the environment and in FastCGI requests.
inline constexpr std::string_view kVariablePrefix = "PGEVENTS_";

// Whether a parameter of a FastCGI request is one that the program reads, or not ours at all.
bool is_request_parameter(std::string_view name);

std::string usage();

}  // namespace pgevents::fallback
