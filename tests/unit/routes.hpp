// What the tests of routes share: short ways to write requests, and a route as text.
#pragma once

#include <memory>
#include <string>

#include "checks.hpp"
#include "core/request/request.hpp"

namespace pgevents::testing {

constexpr double kRouteTime = 1700000000;  // seconds since the Unix epoch

inline const NamePattern& default_names() {
  static std::string error;
  static const auto names = NamePattern::compile(kDefaultNamePattern, error);
  return *names;
}

// RouteRules under which everything is allowed, so that a test shows its restrictions only.
inline RouteRules open_rules() {
  RouteRules rules;
  rules.names = &default_names();
  rules.access.subscribe = "*";
  rules.access.publish = "*";
  return rules;
}

inline Request request_for(std::string_view method, std::string_view path, std::string_view query = "") {
  Request request;
  request.method = method;
  request.path = path;
  request.query = query;
  return request;
}

inline Request get(std::string_view path, std::string_view query = "") {
  return request_for("GET", path, query);
}

// The error of a route as `status message`, or "" for any other route.
inline std::string complaint(const Route& route) {
  const auto* error = std::get_if<Error>(&route);
  return error == nullptr ? "" : std::to_string(error->status) + ' ' + error->msg;
}

inline std::string complaint(const Request& request, const RouteRules& rules = open_rules()) {
  return complaint(route(request, rules, kRouteTime));
}

inline Subscription subscription(const Request& request, const RouteRules& rules = open_rules()) {
  const Route result = route(request, rules, kRouteTime);
  assert_text(complaint(result), "", std::string(request.path) + '?' + std::string(request.query));
  assert_that(std::holds_alternative<Subscription>(result), "no subscription");
  return std::get<Subscription>(result);
}

inline Publication publication(const Request& request, const RouteRules& rules = open_rules()) {
  const Route result = route(request, rules, kRouteTime);
  assert_text(complaint(result), "", request.path);
  assert_that(std::holds_alternative<Publication>(result), "no publication");
  return std::get<Publication>(result);
}

inline Call call_of(const Request& request, const RouteRules& rules) {
  const Route result = route(request, rules, kRouteTime);
  assert_text(complaint(result), "", std::string(request.method) + ' ' + std::string(request.path));
  assert_that(std::holds_alternative<Call>(result), "no call");
  return std::get<Call>(result);
}

inline std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ",") + name;
  }
  return text;
}

}  // namespace pgevents::testing
