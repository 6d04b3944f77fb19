// Statements: their text, their parameters, and how they are sent. PostgreSQL manual, chapter "libpq - C Library",
// section "Asynchronous Command Processing".
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <vector>

namespace pgevents::postgres {

// A statement's text and the name under which it is prepared. Both outlive whatever uses it.
struct SqlText {
  const char* name = nullptr;
  const char* text = nullptr;
};

// Values of $1, $2 … in text form; std::nullopt is NULL. PostgreSQL infers their types from the statement.
using Params = std::vector<std::optional<std::string>>;

struct Statement {
  SqlText sql;
  Params params;
};

// Each hands one command to libpq on an idle connection, without waiting: PQflush() and PQgetResult() do the rest.
// False: libpq did not accept it, PQerrorMessage() has the reason. Throws std::bad_alloc, and then has sent nothing.
bool send(PGconn* connection, const Statement& statement);
// The same by the name of `statement.sql`, which the session must have prepared.
bool send_prepared(PGconn* connection, const Statement& statement);
// Only prepares it, for the session's life.
bool send_prepare(PGconn* connection, const SqlText& sql);

}  // namespace pgevents::postgres
