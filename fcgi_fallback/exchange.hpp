// One request and its answer, whatever brought it: FastCGI or CGI. The handler sees only this.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents::fallback {

class Exchange {
 public:
  virtual ~Exchange() = default;

  // A CGI variable (RFC 3875, section 4.1); nothing when it is not there. Stays valid as long as the exchange.
  virtual std::optional<std::string_view> param(const char* name) const = 0;

  // The names of all variables.
  virtual std::vector<std::string_view> names() const = 0;

  // The headers `Cookie`, of which there may be several, joined by "; ".
  virtual std::string cookies() const = 0;

  // Reads from the request's body; 0 at its end, or when it cannot be read.
  virtual std::size_t read(char* buffer, std::size_t size) = 0;

  // Sends a part of the answer. False: the client is gone, nothing more is worth sending.
  virtual bool write(std::string_view bytes) = 0;
  virtual bool flush() = 0;

  // A line for our log, and for the web server's if it takes any. That one may add the request's query.
  virtual void log(std::string_view text) = 0;
};

}  // namespace pgevents::fallback
