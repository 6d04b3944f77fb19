// What the tests of access share: rules with one key, and a request of which a test changes one thing; results as text.
#pragma once

#include <string>

#include "core/request/access.hpp"
#include "jwt_testing.hpp"
#include "routes.hpp"

namespace pgevents::testing {

// A token that is good at kNow, of user 10 by default.
inline std::string user_token(const std::string& claims = R"("sub":"10")") {
  return token_of(R"({"exp":1700000100,)" + claims + '}');
}

struct Case {
  JwtKeys keys;
  AccessRules rules;
  Request request = get("/events/a");
  double now = kNow;

  Case() {
    add(keys, kSecret);
    rules.token.keys = &keys;
    rules.token.cookie = "token";
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  Case& bearer(const std::string& token) {
    authorization_ = "Bearer " + token;
    request.authorization = authorization_;
    return *this;
  }

  Caller caller() const { return std::get<Caller>(identify(request, rules, now)); }

  // The error; `status` is 200 without one.
  Error error() const {
    const auto found = identify(request, rules, now);
    Error none;
    none.status = 200;
    return std::holds_alternative<Error>(found) ? std::get<Error>(found) : none;
  }

  // `user/realm`, or `status CODE message`, the code only if it is not the status's usual one.
  std::string who() const {
    const Error wrong = error();
    if (wrong.status != 200) {
      return std::to_string(wrong.status) + ' ' + (wrong.code.empty() ? "" : wrong.code + ' ') + wrong.msg;
    }
    const Identity identity = caller().session.identity;
    return identity.user + '/' + identity.realm;
  }

  // The error about a channel as `status message`, followed by the challenge if it has one; "" if the channel is
  // granted.
  std::string refusal(std::string_view channel, Action action = Action::kSubscribe) const {
    const auto error = check_grant(caller(), rules, action, channel);
    if (!error) {
      return "";
    }
    return std::to_string(error->status) + ' ' + error->msg + (error->challenge.empty() ? "" : ", " + error->challenge);
  }

 private:
  std::string authorization_;
};

constexpr char kInvalid[] = "401 Invalid token";

}  // namespace pgevents::testing
