// The calls of the pool that make a query of a statement, and the handle that the caller keeps of it; see
// query_pool.hpp.
#include <memory>
#include <utility>

#include "ngx_module/postgres/query_pool.hpp"

namespace pgevents::nginx {
namespace {

std::shared_ptr<Query> make_query(Statement&& statement, Lane lane, QueryDone&& done) {
  auto query = std::make_shared<Query>();
  query->statement = std::move(statement);
  query->lane = lane;
  query->done = std::move(done);
  return query;
}

}  // namespace

// If nothing was queued, the handle's query is not pending.
bool QueryPool::run(Statement statement, Lane lane, QueryDone done, QueryHandle& handle) {
  auto query = make_query(std::move(statement), lane, std::move(done));
  handle.cancel();
  handle.query_ = query;
  bool accepted = false;
  try {
    accepted = run(std::move(query));
  } catch (...) {
    handle.cancel();
    throw;
  }
  if (!accepted) {
    handle.cancel();
  }
  return accepted;
}

void QueryPool::post(Statement statement, Lane lane, QueryDone done, QueryHandle& handle) {
  auto query = make_query(std::move(statement), lane, std::move(done));
  handle.cancel();
  handle.query_ = query;
  try {
    post(std::move(query));
  } catch (...) {
    handle.cancel();
    throw;
  }
}

void QueryPool::post(Statement statement, Lane lane, QueryDone done) {
  post(make_query(std::move(statement), lane, std::move(done)));
}

}  // namespace pgevents::nginx
