// A whole request with the operator's rules, read from lines of text that look like one:
//   GET /events/a,b?flavor=poll&access_token=@token
//   cookie: pg=@token
//   origin: https://app.example            a request's header, by its name
//   !subscribe: team:{user} news.*         the operator's word, see kWords in scene.cpp
//   !claims: {"sub":"10","exp":2000}       signed, what stands where `@token` was written
// Other lines are skipped. The time is always kNow.
#pragma once

#include <list>
#include <map>
#include <string>
#include <string_view>

#include "core/request/request.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

inline constexpr double kNow = 1000;

class Scene {
 public:
  explicit Scene(std::string_view input);
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  const Request& request() const { return request_; }
  const RouteRules& rules() const { return rules_; }
  const std::string& token() const { return token_; }  // used or not

 private:
  struct Words;  // the names of lines and what they set

  void read_request_line(std::string_view line);
  void read_line(std::string_view line);
  void set_rule(std::string_view name, std::string_view value);
  std::string with_token(std::string_view text) const;
  std::string_view keep(std::string_view text);

  std::list<Part> parts_;  // the texts that the views of request and rules point to
  std::string token_;
  OriginRules origins_;
  Request request_;
  RouteRules rules_;
};

}  // namespace pgevents::fuzzing
