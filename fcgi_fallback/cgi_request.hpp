// One request and its response in the terms of CGI (RFC 3875), whether it comes by FastCGI or by CGI. The handler sees
// only this.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents::fallback {

class CgiRequest {
 public:
  virtual ~CgiRequest() = default;

  // A CGI variable (RFC 3875, section 4.1); nothing if it is absent. Stays valid as long as the request.
  virtual std::optional<std::string_view> variable(const char* name) const = 0;
  std::string_view variable_or_empty(const char* name) const { return variable(name).value_or(std::string_view()); }

  // Calls `visit` with the name of each variable that begins with `prefix`.
  using NameVisitor = std::function<void(std::string_view name)>;
  virtual void each_name(std::string_view prefix, const NameVisitor& visit) const = 0;

  // The headers `Cookie`, of which there may be several, joined by "; ".
  virtual std::string cookies() const = 0;

  // Reads from the request's body; 0 at its end, or if it cannot be read.
  virtual std::size_t read(char* buffer, std::size_t size) = 0;

  // Sends a part of the response. False: the client has gone, and nothing more needs to be sent.
  virtual bool write(std::string_view bytes) = 0;
  virtual bool flush() = 0;

  // Writes a line to our log, and to the web server's if it accepts any. The web server may add the request's query.
  virtual void log(std::string_view text) = 0;
};

}  // namespace pgevents::fallback
