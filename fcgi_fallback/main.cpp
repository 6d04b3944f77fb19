// pgevents-fcgi: the fallback. Decides what this process is (master with workers, single FastCGI process, CGI program)
// and starts that.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <unistd.h>

#include "core/version.hpp"
#include "fcgi_fallback/counters.hpp"
#include "fcgi_fallback/listen_socket.hpp"
#include "fcgi_fallback/processes.hpp"
#include "fcgi_fallback/server.hpp"
#include "postgres/conninfo_fault.hpp"

namespace pgevents::fallback {

namespace {

constexpr int kUsageError = 2;
constexpr unsigned kDefaultProcesses = 4;
constexpr unsigned kRetryAfter = 5;

int fail(const std::string& text) {
  log_line(text);
  return kUsageError;
}

// The master reads the keys, and its workers inherit them, so that all have the same. If a file cannot be read, the
// last good keys stay, not older ones that the operator may have withdrawn.
void renew(const ProgramOptions& options, AccessFiles& files) noexcept {
  try {
    if (const auto problem = read_access_files(options, files)) {
      log_line(*problem + "; the keys stay as they were, correct the file and send HUP again");
    }
  } catch (const std::exception& problem) {
    log_line(problem.what());
  }
}

int work(const ProgramOptions& options, const AccessFiles& files, const NamePattern& names, Counters& counters,
         int fd) {
  Databases databases(options, true, kRetryAfter, counters);
  Handler handler(options, files, names, databases, counters);
  return serve_fastcgi(fd, handler);
}

int run_cgi(const ProgramOptions& options, const AccessFiles& files, const NamePattern& names) {
  Counters none(0);
  Databases databases(options, false, kRetryAfter, none);
  Handler handler(options, files, names, databases, none);
  return serve_cgi(handler);
}

int run_fastcgi(const ProgramOptions& options, AccessFiles& files, const NamePattern& names, int fd) {
  // spawn-fcgi and systemd supervise a single process themselves.
  if (options.listen.empty() && options.processes == 0) {
    Counters counters(1);
    counters.use(0);
    return work(options, files, names, counters, fd);
  }
  const unsigned count = options.processes > 0 ? options.processes : kDefaultProcesses;
  log_line("version " + std::string(kVersion) + ", " + std::to_string(count) + " processes, " +
           (options.listen.empty() ? std::string("inherited socket") : "listening on " + options.listen));
  Counters counters(count);
  const auto work_at = [&](std::size_t place) {
    counters.use(place);
    return work(options, files, names, counters, fd);
  };
  ProcessManager manager(count, work_at, [&] { renew(options, files); });
  manager.run();
  return 0;
}

// Warns of settings that are valid but probably a mistake.
void warn(const ProgramOptions& options) {
  for (const std::string& name : unknown_variables(environ)) {
    log_line("environment variable " + name +
             " does not exist and has no effect; check its spelling, see pgevents-fcgi --help");
  }
  for (const std::string& patterns : {options.subscribe, options.publish, options.anonymous}) {
    if (const auto doubt = pattern_doubt(patterns)) {
      log_line(*doubt);
    }
  }
}

// A web server may turn a query string without `=` into arguments (RFC 3875, section 4.4). None of them can be trusted
// then.
bool arguments_may_come_from_client() {
  const char* const query = std::getenv("QUERY_STRING");
  return started_as_cgi() && query != nullptr && *query != '\0' && std::strchr(query, '=') == nullptr;
}

int run(int argc, char** argv) {
  ProgramOptions options;
  const auto problem = arguments_may_come_from_client() ? read_environment(options) : read_options(argc, argv, options);
  if (problem) {
    return fail(*problem);
  }
  if (options.help || options.version) {
    std::fputs(options.help ? usage().c_str() : ("pgevents-fcgi " + std::string(kVersion) + "\n").c_str(), stdout);
    return 0;
  }
  warn(options);
  std::string error;
  const auto names = NamePattern::compile(options.channel_pattern, error);
  if (!names) {
    return fail("--channel-pattern: " + error);
  }
  if (const auto fault = postgres::database_fault(options.database)) {
    return fail("--database: not a valid connection string: " + *fault);
  }
  if (const auto fault = postgres::database_fault(options.primary)) {
    return fail("--primary: not a valid connection string: " + *fault);
  }
  AccessFiles files;
  if (const auto failure = read_access_files(options, files)) {
    return fail(*failure);
  }
  block_signals();
  ListenSocket socket;
  if (!options.listen.empty()) {
    if (const auto failure = socket.open(options.listen, options.socket_mode, options.backlog)) {
      return fail(*failure);
    }
  } else if (!socket.inherit()) {
    if (started_as_cgi()) {
      return run_cgi(options, files, *names);
    }
    return fail(
        "neither a FastCGI socket was inherited nor is this a CGI request; use --listen, see pgevents-fcgi --help");
  }
  return run_fastcgi(options, files, *names, socket.fd());
}

}  // namespace

}  // namespace pgevents::fallback

int main(int argc, char** argv) {
  try {
    return pgevents::fallback::run(argc, argv);
  } catch (const std::exception& problem) {
    pgevents::fallback::log_line(problem.what());
    return EXIT_FAILURE;
  }
}
