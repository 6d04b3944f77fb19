// Measures the servers through the kernel and PostgreSQL, as one flat record of numbers, and defines the series of
// these records with their limits.
import fs from 'node:fs';

import { childrenOf, memoryOf } from '../lib/processes.mjs';
import { counts } from './transport.mjs';

const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const sum = (pids, of) => pids.reduce((total, pid) => total + of(pid), 0);
const megabytes = (field) => (pid) => memoryOf(pid, field) / 1024;

const kDatabase = `
  SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pgevents listener', 'pgevents pool')) AS module,
         (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgevents fallback') AS fallback,
         pg_total_relation_size('pgevents.log') / 1048576.0::float8 AS log,
         pg_total_relation_size('pgevents.staging') / 1048576.0::float8 AS staging,
         pg_database_size(current_database()) / 1048576.0::float8 AS whole`;

export class Probe {
  constructor({ nginx, fallback, database }) {
    Object.assign(this, { nginx_: nginx, fallback_: fallback, database_: database });
    this.leaving = new Set(); // workers that a reload has replaced
  }

  workers() {
    return this.nginx_.workers().filter((pid) => !this.leaving.has(pid));
  }

  // Takes one sample. It throws if a worker exits at this moment.
  async sample() {
    const [master, workers, fallback] = [this.nginx_.master(), this.workers(), childrenOf(this.fallback_.pid)];
    const of_all = [master, ...this.nginx_.workers()];
    const seen = {
      master_mb: megabytes('Anonymous')(master),
      workers_mb: sum(workers, megabytes('Anonymous')),
      fallback_mb: sum(fallback, megabytes('Anonymous')),
      shared_mb: sum(of_all, megabytes('Pss_Shmem')),
      master_fds: descriptors(master),
      workers_fds: sum(workers, descriptors),
      clients: counts.open,
      fallback_fds: sum(fallback, descriptors),
      workers: workers.length,
    };
    const [row] = await this.database_.query(kDatabase);
    return {
      ...seen, module_connections: row.module, fallback_connections: row.fallback,
      log_mb: row.log, staging_mb: row.staging, rest_mb: row.whole - row.log - row.staging,
      harness_mb: process.memoryUsage().rss / 1048576,
    };
  }
}

// Limits: `perTime` is the permitted growth of a series in an hour, `allowance` the change within any run that means
// nothing (see trend.mjs). Memory grows in pieces: an arena's page, a connection's pool. Descriptors depend on the
// clients, whose own count of connections is only nearly simultaneous.
const memory = (allowance) => ({ unit: 'MB', digits: 2, perTime: 1, allowance, memory: true });
const number = (allowance) => ({ unit: '', digits: 1, perTime: 1, allowance });
const disk = (allowance) => ({ unit: 'MB', digits: 1, perTime: 8, allowance });

// when: 'reloads' takes the samples just before a reload, so that all workers have the same age; 'one life' those of
// the workers of the second half; 'always' all samples.
export const kSeries = [
  { title: 'master, memory, before each reload', of: (s) => s.master_mb, when: 'reloads', ...memory(1) },
  { title: 'workers, memory, before each reload', of: (s) => s.workers_mb, when: 'reloads', ...memory(3) },
  { title: 'workers, memory, within one life', of: (s) => s.workers_mb, when: 'one life', ...memory(6) },
  { title: 'fallback, memory', of: (s) => s.fallback_mb, when: 'always', ...memory(3) },
  { title: 'shared memory in use', of: (s) => s.shared_mb, when: 'always', ...memory(3) },
  { title: 'master, descriptors, before each reload', of: (s) => s.master_fds, when: 'reloads', ...number(6) },
  { title: 'workers, descriptors but for clients, before each reload', of: (s) => s.workers_fds - s.clients,
    when: 'reloads', ...number(25) },
  { title: 'workers, descriptors but for clients, within one life', of: (s) => s.workers_fds - s.clients,
    when: 'one life', ...number(25) },
  { title: 'fallback, descriptors', of: (s) => s.fallback_fds, when: 'always', ...number(3) },
  { title: 'module, connections, before each reload', of: (s) => s.module_connections, when: 'reloads', ...number(3) },
  { title: 'module, connections, within one life', of: (s) => s.module_connections, when: 'one life', ...number(3) },
  { title: 'fallback, connections', of: (s) => s.fallback_connections, when: 'always', ...number(2) },
  { title: 'log on disk', of: (s) => s.log_mb, when: 'always', ...disk(8) },
  { title: 'staging on disk', of: (s) => s.staging_mb, when: 'always', ...disk(8) },
  { title: 'all other tables on disk', of: (s) => s.rest_mb, when: 'always', ...disk(8) },
];
