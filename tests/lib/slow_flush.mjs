// A disk whose flushes take longer, for PostgreSQL: what many cloud disks are, and what shows whether commits share a
// flush. Needs a cluster with fsync (and wal_sync_method = fdatasync, the default on Linux).
import path from 'node:path';

import { run } from './processes.mjs';
import { kRoot, tempDir } from './scratch.mjs';

let library;

// The environment of a server, each of whose flushes takes `milliseconds` longer.
export async function slowFlush(milliseconds) {
  library ??= compile();
  return { LD_PRELOAD: await library, PGEVENTS_FLUSH_US: String(Math.round(1000 * milliseconds)) };
}

async function compile() {
  const file = path.join(tempDir('flush'), 'slow_flush.so');
  const source = path.join(kRoot, 'tests', 'lib', 'slow_flush.c');
  await run(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-o', file, source, '-ldl']);
  return file;
}
