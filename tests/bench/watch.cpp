#include "watch.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bench {

namespace {

struct Stat {
  pid_t parent = 0;
  double self_s = 0;    // utime + stime
  double waited_s = 0;  // cutime + cstime
};

// proc(5): the fields after the command's name, which is in parentheses and may contain any characters.
bool read_stat(pid_t pid, Stat& out) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return false;
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skip;
  double utime = 0;
  double stime = 0;
  double cutime = 0;
  double cstime = 0;
  fields >> skip >> out.parent;
  for (int field = 5; field <= 13; ++field) fields >> skip;
  fields >> utime >> stime >> cutime >> cstime;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  out.self_s = (utime + stime) / ticks;
  out.waited_s = (cutime + cstime) / ticks;
  return true;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    Stat stat;
    if (pid > 0 && read_stat(pid, stat) && stat.parent == parent) children.push_back(pid);
  }
  return children;
}

std::uint64_t pss_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 4, "Pss:") == 0) return std::strtoull(line.c_str() + 4, nullptr, 10);
  }
  return 0;
}

}  // namespace

double cpu_seconds(const Watched& watched) {
  Stat own;
  if (!read_stat(watched.pid, own)) throw std::runtime_error(watched.name + ": the process does not exist any more");
  double seconds = own.self_s + own.waited_s;
  for (const pid_t child : children_of(watched.pid)) {
    Stat stat;
    if (read_stat(child, stat)) seconds += stat.self_s + stat.waited_s;
  }
  return seconds;
}

std::uint64_t pss_kb(const Watched& watched) {
  std::uint64_t sum = pss_of(watched.pid);
  for (const pid_t child : children_of(watched.pid)) sum += pss_of(child);
  return sum;
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace bench
