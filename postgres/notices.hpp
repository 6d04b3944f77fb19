// Notices and warnings of the server (PostgreSQL manual, chapter "libpq - C Library", section "Notice Processing"), as
// log lines.
#pragma once

#include <libpq-fe.h>

namespace pgevents::postgres {

class NoticeLog {
 public:
  // `line` is one printable line: `PostgreSQL reports WARNING: text`. Called by libpq, which is C: must not throw.
  virtual void notice(const char* line) noexcept = 0;

 protected:
  ~NoticeLog() = default;
};

// Every notice of the connection goes to `log`, which outlives it.
void log_notices(PGconn* connection, NoticeLog& log) noexcept;

// Whether the server ends the session by this notice, as such a line, or by this error (null: by none).
bool ends_session(const char* line) noexcept;
bool ends_session(const PGresult* result) noexcept;

}  // namespace pgevents::postgres
