// Makes each flush of PostgreSQL's log to the disk take PGEVENTS_FLUSH_US microseconds longer, in the processes that
// preload it (LD_PRELOAD), as on a slow disk, or one behind a network. Data files, which PostgreSQL flushes at
// checkpoints with fsync(), are as fast as ever. slow_flush.mjs compiles it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int flush_function(int fd);

int fdatasync(int fd) {
  const char* text = getenv("PGEVENTS_FLUSH_US");
  const long us = text == NULL ? 0 : atol(text);
  const struct timespec pause = {us / 1000000, us % 1000000 * 1000};
  if (us > 0) {
    nanosleep(&pause, NULL);
  }
  return ((flush_function*)dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
