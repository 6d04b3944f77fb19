// The faults of the stress test. Each gets { pick, between } and what runs, and repairs what it breaks.
import { sleep, waitFor, within } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { childrenOf, processState, signalIfAlive } from '../lib/processes.mjs';

// Asks again if the fault that runs beside this one has ended the session. A query may also be forgotten, with the
// pool of connections that a restart closes.
export function ask(database, sql, params) {
  const rows = () => within(database.query(sql, params), 5000, sql);
  return waitFor(rows, { what: sql, timeout: 60_000, interval: 20 });
}

async function paused(pids, ms) {
  for (const pid of pids) signalIfAlive(pid, 'SIGSTOP');
  await sleep(ms);
  for (const pid of pids) signalIfAlive(pid, 'SIGCONT');
}

// The process ids of the database's sessions of a role, but for the one that asks.
async function sessionsOf(database, role) {
  const rows = await ask(database,
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = $1
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()`, [role]);
  return rows.map(({ pid }) => pid);
}

async function terminateOne({ database, pick }, role) {
  const pids = await sessionsOf(database, role);
  if (pids.length > 0) await ask(database, 'SELECT pg_terminate_backend($1)', [pick(pids)]);
}

// A weight of 3: three times as often as a weight of 1.
export const kDatabaseFaults = {
  'a session of a writer is ended': { weight: 6, strike: (run) => terminateOne(run, 'postgres') },
  'a session of a reader is ended': { weight: 6, strike: (run) => terminateOne(run, kServerUser) },
  'a process of PostgreSQL is killed': { weight: 1, strike: async ({ database, pick }) => {
    const pid = pick(await sessionsOf(database, 'postgres'));
    if (pid) signalIfAlive(pid, 'SIGKILL');
    await sleep(100);
    await ask(database, 'SELECT 1');
  } },
  'PostgreSQL restarts at once': { weight: 1, strike: async ({ cluster, database }) => {
    await cluster.restart('immediate');
    await ask(database, 'SELECT 1');
  } },
  'a backend of PostgreSQL hangs': { weight: 2, strike: ({ cluster, pick, between }) =>
    paused([pick(childrenOf(cluster.pid))], between([50, 600])) },
};

export const kReaderFaults = {
  'a reader hangs': { weight: 1, strike: ({ readers, pick, between }) => pick(readers).freeze(between([50, 1500])) },
};

export const kNginxFaults = {
  'a worker is killed': { weight: 3, strike: ({ nginxes, pick }) => {
    const nginx = pick(nginxes);
    const pid = pick(nginx.workers());
    if (processState(pid)?.ppid === nginx.master()) signalIfAlive(pid, 'SIGKILL');
  } },
  'a worker hangs': { weight: 3, strike: ({ nginxes, pick, between }) =>
    paused([pick(pick(nginxes).workers())], between([50, 1500])) },
  'nginx reloads': { weight: 1, strike: ({ nginxes, pick }) => pick(nginxes).reload() },
};

export function chosen(faults, random) {
  const all = Object.entries(faults);
  let at = random() * all.reduce((sum, [, { weight }]) => sum + weight, 0);
  return all.find(([, { weight }]) => (at -= weight) < 0) ?? all[0];
}
