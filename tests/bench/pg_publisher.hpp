// Publishes as an application does: a statement (INSERT INTO pgevents.events) over libpq, one transaction per batch.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>

#include "loop.hpp"
#include "publisher.hpp"

namespace bench {

class PgPublisher final : public Publisher, public Handler {
 public:
  // `statement`: gives no rows; $1 is the channel, $2 the event as JSON.
  PgPublisher(Loop& loop, PublisherPool& pool, const std::string& conninfo, const std::string& statement);

  void publish() override;
  void on_ready(std::uint32_t events) override;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  PublisherPool& pool_;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace bench
