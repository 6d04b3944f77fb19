// From a request to its response: core decides what is wanted, the database supplies it, and this writes it. Never
// waits for events.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/request/request.hpp"
#include "fcgi_fallback/access_files.hpp"
#include "fcgi_fallback/cgi_request.hpp"
#include "fcgi_fallback/counters.hpp"
#include "fcgi_fallback/databases.hpp"
#include "fcgi_fallback/event_pages.hpp"
#include "fcgi_fallback/options.hpp"
#include "fcgi_fallback/presence.hpp"

namespace pgevents::fallback {

class Handler {
 public:
  // All five must outlive the handler.
  Handler(const ProgramOptions& options, const AccessFiles& files, const NamePattern& names, Databases& databases,
          Counters& counters)
      : options_(options),
        files_(files),
        names_(names),
        databases_(databases),
        counters_(counters),
        presence_(options, databases) {}

  // Answers one request. Every failure is answered or logged; nothing is thrown.
  void handle(CgiRequest& cgi) noexcept;

  // Does what presence needs, and prunes the log from time to time; at the primary if there is one. To be called after
  // each request, when its response is complete, and when until_idle() has passed.
  void idle() noexcept;
  void prune();

  // How long to wait for a request before idle() is to be called; nothing: without limit.
  std::optional<std::chrono::milliseconds> until_idle() const { return presence_.until_due(); }

 private:
  void answer(CgiRequest& cgi);
  void serve(CgiRequest& cgi, const Route& wanted, bool head);
  void send_status(CgiRequest& cgi, std::string_view form, const Request& request);
  void report_unknown_variables(CgiRequest& cgi);
  RouteRules rules_for(CgiRequest& cgi);
  AccessRules access_for(CgiRequest& cgi);
  std::optional<Error> check_revoked(CgiRequest& cgi, std::string_view user, std::int64_t issued_us);
  void reject(CgiRequest& cgi, const Error& error, bool head_only = false);
  void reply(CgiRequest& cgi, Reply answer, bool head_only = false);
  // handler_events.cpp
  std::string sequence();
  void send_events(CgiRequest& cgi, const Subscription& subscription);
  void send_array(CgiRequest& cgi, const Subscription& subscription);
  void send_stream(CgiRequest& cgi, const Subscription& subscription);
  bool open_stream(CgiRequest& cgi, std::uint64_t cursor);
  bool send_stream_head(CgiRequest& cgi);
  void send_later(CgiRequest& cgi, const Subscription& subscription);

  std::optional<Error> receive(CgiRequest& cgi, const Session& session, std::size_t limit, std::string& body);
  void publish(CgiRequest& cgi, const Publication& publication);
  void call(CgiRequest& cgi, const Call& call);

  const ProgramOptions& options_;
  const AccessFiles& files_;
  const NamePattern& names_;
  Databases& databases_;
  Counters& counters_;
  Presence presence_;
  // Of the request at work: headers that all its responses carry, and when it arrived (seconds since the Unix epoch).
  std::vector<Header> cors_;
  double arrived_ = 0;
  int status_ = 0;               // of the response; 0: none was sent
  std::set<std::string> named_;  // unknown variables that are in the log
  std::chrono::steady_clock::time_point next_sequence_{};
  LogLimit rejected_log_{std::chrono::seconds(1)};
  // The first time soon after the start, so that processes that are replaced often prune as well.
  std::chrono::steady_clock::time_point next_prune_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
};

// Logs `text`, unless it is empty. nginx appends the request line to what a FastCGI program logs: if that holds a
// token, only our own log gets the text.
void report(CgiRequest& cgi, std::string_view text);

}  // namespace pgevents::fallback
