// CPU time and memory of the servers under test and of the load generator itself, from /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// A process and its direct children (nginx: master and workers; PostgreSQL: postmaster and backends).
struct Watched {
  std::string name;
  pid_t pid = 0;
};

// utime + stime of the process, its living children, and the children that it has waited for.
double cpu_seconds(const Watched& watched);

// Sum of the proportional set sizes: shared pages count once over all processes.
std::uint64_t pss_kb(const Watched& watched);

double own_cpu_seconds();

}  // namespace bench
