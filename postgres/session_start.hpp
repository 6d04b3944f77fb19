// How a session begins: it takes its name in pg_stat_activity, and asks for the version of the schema, because a schema
// that is older or newer than this program can use would serve half of the requests and fail the others.
#pragma once

#include <libpq-fe.h>

#include <string>

#include "postgres/statement.hpp"

namespace pgevents::postgres {

// The schema version that this program was made for, that of sql/install.sql; and the oldest one that it can use. It
// also uses a later one whose functions serve programs of its own version (sql/functions/log/schema_version.sql).
inline constexpr int kSchemaVersion = 12;
inline constexpr int kOldestSchema = 7;

// The dialogue of one session at a time: begin(), then for each answer take(), as long as next() is kAsk.
class SessionStart {
 public:
  enum class Next { kAsk, kUse, kFail };

  // `role` outlives the object: "listener", "pool" or "fallback". The session's application_name is what it was, with
  // this word behind it.
  explicit SessionStart(const char* role) : role_(role) {}

  void begin() noexcept;  // the connection is new
  Next next() const noexcept { return next_; }
  // The question to send with kAsk. Until an answer is taken, next() is kFail.
  Statement statement();
  // Takes the answer, or the error. `database`: its name on the server.
  void take(const PGresult* result, const char* database);
  // With kUse: the version of the schema.
  int version() const noexcept { return version_; }
  // With kFail: what is wrong and what to do, as part of a log line.
  const std::string& problem() const noexcept { return problem_; }

 private:
  enum class Question { kVersion, kOldVersion };

  void take_error(const PGresult* result, const char* database);
  void compare(int version, int serves_from, const char* database);

  const char* role_;
  Question question_ = Question::kVersion;
  Next next_ = Next::kAsk;
  int version_ = 0;
  std::string problem_;
};

}  // namespace pgevents::postgres
