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

inline const char* name_of(Lane lane) noexcept {
  switch (lane) {
    case Lane::kPublish:
      return "publish";
    case Lane::kCatchup:
      return "catch-up";
    case Lane::kPresence:
      break;
  }
  return "presence";
}

// Gets the result of a statement, at most once. What it throws is only logged.
using QueryDone = std::function<void(const QueryResult&)>;

struct Query {
  Statement statement;
  Lane lane = Lane::kCatchup;
  bool sent = false;      // the database may have taken its snapshot
  bool repeated = false;  // once, after an error that the statement itself did not cause
  ngx_msec_t asked_at = 0;
  QueryDone done;  // empty: called, or cancelled
  void cancel() noexcept { done = nullptr; }
};

inline bool was_asked_before(const Query& query, ngx_msec_t before) noexcept {
  return static_cast<ngx_msec_int_t>(query.asked_at - before) < 0;
}

}  // namespace pgevents::nginx
