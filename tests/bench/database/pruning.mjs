// The effect of pruning on a subscriber, and the growth of the tables.
import { sleep } from '../../lib/conditions.mjs';
import { whileCommitting } from './pgbench.mjs';
import { probeDelays, withInstances } from './servers.mjs';
import { createDatabase, kInsertEvents, kStagingBytes } from './ways.mjs';

const kEvents = 5000; // a second
const kBatch = 100;
// Seconds: the first events have passed the retention before the measurement begins.
const kCells = {
  quick: { retention: 1, warmup: 1.5, seconds: 2 },
  full: { retention: 5, warmup: 7, seconds: 15 },
};

const kCases = {
  'without pruning': ' prune=off',
  'pruned every second': ' prune=1s',
};

const kFigures = [
  { title: 'events/s', digits: 0 },
  { title: 'delay p50 ms', digits: 2 },
  { title: 'delay p99 ms', digits: 2 },
  { title: 'delay at most ms', digits: 1 },
  { title: 'events in the log at the end', digits: 0 },
  { title: 'log MB, half-way', digits: 0 },
  { title: 'log MB, at the end', digits: 0 },
  { title: 'staging MB, at most', digits: 0 },
  { title: 'calls of prune()', digits: 0 },
  { title: 'ms in a call', digits: 0 },
  { title: 'PostgreSQL CPU %', digits: 0 },
];

// The sizes in MB, once a second, until `done`.
async function watchSizes(database, done) {
  const seen = [];
  let ended = false;
  done.finally(() => (ended = true)).catch(() => {});
  while (!ended) {
    const [row] = await database.query(`SELECT pg_total_relation_size('pgevents.log') / 1e6::float8 AS log,
      ${kStagingBytes} / 1e6 AS staging`);
    seen.push(row);
    await sleep(1000);
  }
  return seen;
}

async function observe(database, nginx, { warmup, seconds }) {
  const running = probeDelays(database, nginx, seconds, warmup);
  const [delays, sizes] = await Promise.all([running, watchSizes(database, running)]);
  return {
    ...delays,
    'events in the log at the end': await database.value('SELECT count(*) FROM pgevents.log'),
    'log MB, half-way': sizes[sizes.length >> 1].log,
    'log MB, at the end': sizes.at(-1).log,
    'staging MB, at most': Math.max(...sizes.map(({ staging }) => staging)),
  };
}

async function measure(where, options, cells) {
  const database = await createDatabase(...where);
  await database.query(`ALTER DATABASE ${database.name} SET track_functions = 'pl'`);
  await database.query(`UPDATE pgevents.settings SET value = $1 WHERE name = 'retention'`,
    [`${cells.retention} seconds`]);
  const { per_s, cpu_share, ...seen } = await withInstances(database, 1, options, ([nginx]) => whileCommitting(
    database, kInsertEvents, { clients: 2, events: kBatch, rate: kEvents / kBatch }, () => observe(database, nginx, cells)));
  const [prune] = await database.query(`SELECT calls, total_time FROM pg_stat_user_functions WHERE funcname = 'prune'`);
  await database.drop();
  return {
    ...seen,
    'events/s': per_s,
    'PostgreSQL CPU %': cpu_share * 100,
    'calls of prune()': prune?.calls,
    'ms in a call': prune && prune.total_time / prune.calls,
  };
}

// Like the retention, the minute between two runs of autovacuum must be shorter here.
async function withBriskAutovacuum(cluster, naptime, body) {
  const postgres = cluster.database('postgres');
  const set = async (what) => {
    await postgres.query(`ALTER SYSTEM ${what}`);
    await postgres.query('SELECT pg_reload_conf()');
  };
  await set(`SET autovacuum_naptime = '${naptime}s'`);
  try {
    return await body();
  } finally {
    await set('RESET autovacuum_naptime');
  }
}

const number = (value) => value.toLocaleString('en-US');

export const pruning = {
  sections: (mode) => [{
    title: `One subscriber while ${number(kEvents)} events/s are committed and kept for ${kCells[mode].retention} seconds`,
    figures: kFigures,
    columns: Object.fromEntries(Object.entries(kCases).map(([name, options]) =>
      [name, (...where) => withBriskAutovacuum(where[0], kCells[mode].retention, () => measure(where, options, kCells[mode]))])),
  }],
  notes: [
    `pruning: ${kBatch} events a transaction, on other channels than the subscriber's; autovacuum_naptime equals the retention; ` +
      'sizes include indexes',
  ],
};
