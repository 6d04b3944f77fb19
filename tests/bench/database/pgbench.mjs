// pgbench as the application: clients that commit in one of the ways, and the counts between two moments.
import { spawn } from 'node:child_process';

import { sleep } from '../../lib/conditions.mjs';
import { kPublisherUser } from '../../lib/database.mjs';
import { cpuSecondsOfServer } from '../../lib/processes.mjs';
import { scriptOf } from './ways.mjs';

const kWarmup = 700; // ms: until all clients are connected and have their plans
const kLongest = 900; // s

// `clients`: connections; `events`: in each transaction; `rate`: transactions a second in all (undefined: as fast as
// possible); `transactions`: of each client (undefined: until it is stopped); `core`: where pgbench runs (undefined:
// where this process does).
export function startPgbench(database, way, { clients, events = 1, rate, transactions, core }) {
  const { cluster } = database;
  const args = ['-n', '-M', 'prepared', '-c', clients, ...(transactions ? ['-t', transactions] : ['-T', kLongest]),
    ...(rate ? ['-R', rate] : []), '-f', '-', '-h', cluster.dir, '-p', cluster.port, '-U', kPublisherUser, database.name];
  const command_line = [...(core === undefined ? [] : ['taskset', '-c', core]), cluster.program('pgbench'), ...args];
  const [command, ...rest] = command_line.map(String);
  const child = spawn(command, rest, { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.end(scriptOf(way, events));
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  const closed = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const ended = async () => {
    if ((await closed) > 0 || output.includes('aborted')) throw new Error(`pgbench: ${output}`);
  };
  const stop = async () => {
    child.kill('SIGTERM');
    await ended();
  };
  return { ended, stop };
}

// The counts at this moment: events with ids and those still without, PostgreSQL's CPU time, the position of its WAL.
export async function look(database, way) {
  const left = way.stages && database.leaves ? '(SELECT count(*)::int FROM pgevents.ready)' : 'NULL::int';
  const [row] = await database.query(`SELECT last_value AS events, ${left} AS left,
    (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal FROM ${way.sequence}`);
  return { ...row, at: performance.now(), cpu_s: cpuSecondsOfServer(database.cluster.pid) };
}

export function change(from, to) {
  const [seconds, events] = [(to.at - from.at) / 1000, to.events - from.events];
  const cpu_s = to.cpu_s - from.cpu_s;
  return { events, per_s: events / seconds, cpu_us: (cpu_s * 1e6) / events, cpu_share: cpu_s / seconds,
    left: to.left ?? undefined, wal: to.wal - from.wal };
}

// The changes while pgbench runs and `during` is executed, together with the result of `during`.
export async function whileCommitting(database, way, load, during) {
  const pgbench = startPgbench(database, way, load);
  try {
    await sleep(kWarmup);
    const from = await look(database, way);
    const more = await during();
    return { ...change(from, await look(database, way)), ...more };
  } finally {
    await pgbench.stop();
  }
}
