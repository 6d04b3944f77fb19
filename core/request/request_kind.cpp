// See request_kind.hpp.
#include "core/request/request_kind.hpp"

#include <variant>

namespace pgevents {
namespace {

RequestKind kind_of(Endpoint endpoint) noexcept {
  switch (endpoint) {
    case Endpoint::kRegister:
      return RequestKind::kRegister;
    case Endpoint::kReportPresence:
      return RequestKind::kReportPresence;
    case Endpoint::kUserPresence:
      return RequestKind::kUserPresence;
    case Endpoint::kRealmPresence:
      return RequestKind::kRealmPresence;
    case Endpoint::kTyping:
      return RequestKind::kTyping;
    case Endpoint::kSettings:
      break;
  }
  return RequestKind::kSettings;
}

RequestKind kind_of(const Subscription& subscription) noexcept {
  switch (subscription.flavor) {
    case Flavor::kEventSource:
      return RequestKind::kStream;
    case Flavor::kLongPoll:
      return RequestKind::kLongPoll;
    case Flavor::kWebSocket:
      return RequestKind::kWebSocket;
    case Flavor::kPoll:
      break;
  }
  return RequestKind::kPoll;
}

}  // namespace

RequestKind kind_of(const Route& route) noexcept {
  if (const auto* subscription = std::get_if<Subscription>(&route)) {
    return kind_of(*subscription);
  }
  if (const auto* call = std::get_if<Call>(&route)) {
    return kind_of(call->endpoint);
  }
  if (std::holds_alternative<Publication>(route)) {
    return RequestKind::kPublish;
  }
  return std::holds_alternative<PreflightAnswer>(route) ? RequestKind::kPreflight : RequestKind::kUnknown;
}

}  // namespace pgevents
