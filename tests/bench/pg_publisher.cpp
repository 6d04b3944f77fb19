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
  loop.add(PQsocket(connection), this);
}

void PgPublisher::publish(const Publication& publication) {
  const std::string data = R"({"type":"bench","data":)" + publication.data + "}";
  const std::array<const char*, 2> values{publication.channel.c_str(), data.c_str()};
  if (PQsendQueryPrepared(connection_.get(), kStatement, 2, values.data(), nullptr, nullptr, 0) == 0) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }
  PQflush(connection_.get());
}

// The loop is edge-triggered: consume until the query is through or nothing is left to read.
void PgPublisher::on_ready(std::uint32_t events) {
  PGconn* const connection = connection_.get();
  if ((events & EPOLLOUT) != 0) PQflush(connection);
  if (PQconsumeInput(connection) == 0) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection));
  }
  while (!idle() && PQisBusy(connection) == 0) {
    const Result result(PQgetResult(connection));
    if (result) {
      expect_ok(connection, result);
      continue;
    }
    pool_.on_done(*this);
  }
}

}  // namespace bench
