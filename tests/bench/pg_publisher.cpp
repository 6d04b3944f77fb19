#include "pg_publisher.hpp"

#include <sys/epoll.h>

#include <array>
#include <stdexcept>

namespace bench {

namespace {

constexpr const char* kStatement = "publish";

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

void expect_ok(PGconn* connection, const Result& result) {
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection));
  }
}

}  // namespace

PgPublisher::PgPublisher(Loop& loop, PublisherPool& pool, const std::string& conninfo, const std::string& statement)
    : pool_(pool), connection_(PQconnectdb(conninfo.c_str())) {
  PGconn* const connection = connection_.get();
  if (PQstatus(connection) != CONNECTION_OK) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection));
  }
  expect_ok(connection, Result(PQprepare(connection, kStatement, statement.c_str(), 2, nullptr)));
  PQsetnonblocking(connection, 1);
  if (PQenterPipelineMode(connection) == 0) throw std::runtime_error("PostgreSQL: no pipeline");
  loop.add(PQsocket(connection), this);
}

// The statements before a Sync are one transaction (PostgreSQL manual, "Pipeline Mode").
void PgPublisher::publish() {
  PGconn* const connection = connection_.get();
  bool sent = true;
  for (const Publication& publication : under_way) {
    const std::string data = R"({"type":"bench","data":)" + publication.data + "}";
    const std::array<const char*, 2> values{publication.channel.c_str(), data.c_str()};
    sent = sent && PQsendQueryPrepared(connection, kStatement, 2, values.data(), nullptr, nullptr, 0) != 0;
  }
  if (!sent || PQpipelineSync(connection) == 0) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection));
  }
  PQflush(connection);
}

// The loop is edge-triggered: consume until the query is complete or nothing is left to read.
void PgPublisher::on_ready(std::uint32_t events) {
  PGconn* const connection = connection_.get();
  if ((events & EPOLLOUT) != 0) PQflush(connection);
  if (PQconsumeInput(connection) == 0) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection));
  }
  PQflush(connection);
  while (!idle() && PQisBusy(connection) == 0) {
    const Result result(PQgetResult(connection));
    if (!result) continue;  // the end of one statement's results
    if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) {
      pool_.on_done(*this);
    } else {
      expect_ok(connection, result);
    }
  }
}

}  // namespace bench
