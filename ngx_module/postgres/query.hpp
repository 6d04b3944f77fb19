// A statement for the pool, with what it is for and who gets its result.
#pragma once

#include "ngx_module/nginx.hpp"

#include <functional>

#include "postgres/answer.hpp"
#include "postgres/statement.hpp"

namespace pgevents::nginx {

using postgres::Answer;
using postgres::answer_of;
using postgres::QueryResult;
using postgres::Statement;

// What a statement is for. Clients wait for publishing and catch-up; presence is all else, from a realm's whole state
// to the worker's own reports.
enum class Lane { kPublish, kCatchup, kPresence };

// Gets the result of a statement, at most once. What it throws is only logged.
using QueryDone = std::function<void(const QueryResult&)>;

struct Query {
  Statement statement;
  Lane lane = Lane::kCatchup;
  bool sent = false;      // the database may have taken its snapshot
  bool repeated = false;  // once, after an error that the statement itself did not cause
  QueryDone done;         // empty: called, or cancelled
  void cancel() noexcept { done = nullptr; }
};

}  // namespace pgevents::nginx
