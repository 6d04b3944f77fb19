// From a request to its answer: asks the core what is wanted, the database for it, and writes. Never waits for events.
#pragma once

#include <chrono>
#include <string>

#include "database.hpp"
#include "exchange.hpp"
#include "options.hpp"
#include "request.hpp"

namespace pgevents::fallback {

class Handler {
 public:
  // All three must outlive the handler.
  Handler(const ProgramOptions& options, const NamePattern& names, Database& database)
      : options_(options), names_(names), database_(database) {}

  // Answers one request. Whatever happens is answered or logged; nothing is thrown.
  void handle(Exchange& exchange) noexcept;

  // To be called between requests, when nobody waits for an answer: prunes the log now and then.
  void idle() noexcept;
  void prune();

 private:
  void answer(Exchange& exchange);
  Settings settings_for(const Exchange& exchange) const;
  void send_array(Exchange& exchange, const Subscription& subscription);
  void send_stream(Exchange& exchange, const Subscription& subscription);
  void publish(Exchange& exchange, const Publication& publication);

  const ProgramOptions& options_;
  const NamePattern& names_;
  Database& database_;
  // The first time soon after the start, so that processes that are replaced often prune as well.
  std::chrono::steady_clock::time_point next_prune_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
};

}  // namespace pgevents::fallback
