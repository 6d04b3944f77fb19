// Notices as log lines; see notices.hpp.
#include "postgres/notices.hpp"

#include <cstdio>
#include <cstring>

#include "core/text/printable.hpp"

namespace pgevents::postgres {
namespace {

// The text is foreign: an application's trigger writes what it likes, clients' words included.
void receive(void* log, const PGresult* notice) noexcept {
  const char* const text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (text == nullptr) {
    return;
  }
  char line[1024];
  std::snprintf(line, sizeof line, "PostgreSQL reports %s: %s", severity == nullptr ? "NOTICE" : severity, text);
  static_cast<NoticeLog*>(log)->notice(Printable(line).c_str());
}

}  // namespace

void log_notices(PGconn* connection, NoticeLog& log) noexcept {
  PQsetNoticeReceiver(connection, receive, &log);
}

bool ends_session(const char* line) noexcept {
  constexpr char kFatal[] = "PostgreSQL reports FATAL: ";
  return std::strncmp(line, kFatal, sizeof(kFatal) - 1) == 0;
}

bool ends_session(const PGresult* result) noexcept {
  const char* const severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity != nullptr && (std::strcmp(severity, "FATAL") == 0 || std::strcmp(severity, "PANIC") == 0);
}

}  // namespace pgevents::postgres
