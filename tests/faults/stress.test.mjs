// Publishing under stress: transactions of every isolation level depend on each other, while sessions end,
// processes are killed or hang, and PostgreSQL crashes. Then ids must be in the order of the commits, and each client
// and each reader must have every event once. In between the writers pause: everything that was committed must then
// be in the log at once, although the processes that notice it may just have been killed.
//   ./run stress MINUTES
//   ./run stress MINUTES WRITERS
//   PGEVENTS_STRESS_SECONDS=600 PGEVENTS_STRESS_SEED=7 node --test tests/faults/stress.test.mjs
// The seed determines the choices of each writer and the faults; their overlap depends on the machine.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor, within } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { request } from '../lib/http.mjs';
import { kKilledWorker, kModule, startNginx } from '../lib/nginx.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { Reader } from '../lib/sequencer.mjs';
import { Crowd, describeFigures } from './crowd.mjs';
import { ask, chosen, kDatabaseFaults, kNginxFaults, kReaderFaults } from './stress_faults.mjs';
import { judgeStress } from './stress_verdict.mjs';
import { kChannels, kTables, kWriters, Writers } from './stress_writers.mjs';

const kSeconds = Number(process.env.PGEVENTS_STRESS_SECONDS ?? 35); // of each test
const kSeed = Number(process.env.PGEVENTS_STRESS_SEED ?? Date.now() % 1e9);
const kRound = [0.5, 2.5]; // s from calm to calm
const kPause = [50, 900]; // ms from fault to fault
const kAtOnce = 5000; // ms; less than the sweep of a listener, more than a restarted worker takes
assert.ok(kSeconds > 0 && Number.isInteger(kSeed) && kWriters > 0, 'PGEVENTS_STRESS_… must be numbers');

// A flush that takes some time makes publishers wait for each other.
const cluster = await startCluster({
  fsync: true,
  settings: { commit_delay: 2000, commit_siblings: 2, deadlock_timeout: '100ms', max_connections: kWriters + 60 },
});

// Events can be left without ids since schema version 10.
async function leftTurns(database) {
  const [row] = await ask(database, `SELECT pg_sequence_last_value(to_regclass('pgevents.ready_n')) AS n`);
  return row.n ?? 0;
}

async function createDatabase() {
  const database = await cluster.createDatabase();
  await database.query(kTables);
  const canLeave = (await leftTurns(database)) > 0;
  if (canLeave) await database.query(`UPDATE pgevents.settings SET value = 'on' WHERE name = 'group_commit'`);
  return { database, canLeave };
}

async function isCalm({ database, canLeave, readers, crowds }) {
  if (canLeave && (await ask(database, 'SELECT FROM pgevents.ready LIMIT 1')).length > 0) return false;
  const sql = 'SELECT max(id) AS head FROM pgevents.log WHERE channel_id = ANY ($1)';
  const [{ head }] = await ask(database, sql, [kChannels]);
  const clients = crowds.flatMap(({ members }) => members.map(({ client }) => client));
  return readers.every(({ last }) => last >= head) && clients.every(({ events }) => (events.at(-1)?.id ?? 0) >= head);
}

// Writers pause; whatever they have committed arrives without a further transaction that would carry it along.
async function calmDown(run) {
  await run.writers.pause();
  await run.answering();
  const from = performance.now();
  const what = () => `every event in the log and at every client, seed ${kSeed}`;
  await waitFor(() => isCalm(run), { what, timeout: run.settles, interval: 5 });
  run.calms.push(Math.round(performance.now() - from));
  run.writers.resume();
}

const helpers = (random) => ({
  between: ([from, to]) => from + random() * (to - from),
  pick: (list) => list[Math.floor(random() * list.length)],
});

// A session that publishes its first event beside all others. The time counts if no fault ends it.
async function newcomer(run) {
  const [{ locks }] = await ask(run.database, 'SELECT count(*) AS locks FROM pg_locks');
  run.locks = Math.max(run.locks, locks);
  const client = await run.database.connect().catch(() => undefined);
  const from = performance.now();
  const published = client?.query(`SELECT pgevents.publish('probe', 't', '1')`).then(() => true, () => false);
  if (await published) run.newcomers.push(Math.round(performance.now() - from));
  await client?.end().catch(() => {});
}

// Faults one after the other, or two different ones at once, for a while: a server cannot be restarted twice at once.
async function harass(run, random, until) {
  const { between } = helpers(random);
  while (performance.now() < until) {
    const one = chosen(run.faults, random);
    const other = random() < 0.3 ? chosen(run.faults, random) : one;
    await Promise.all([...new Map([one, other])].map(async ([name, { strike }]) => {
      run.struck.set(name, (run.struck.get(name) ?? 0) + 1);
      await strike({ ...run, ...helpers(random) });
    }));
    await newcomer(run);
    await sleep(between(kPause));
  }
}

async function violationsOf(run) {
  const rows = await run.database.log({ after: run.since, channels: kChannels });
  const counters = await ask(run.database, 'SELECT r, v FROM counters');
  const all = (await ask(run.database, 'SELECT id FROM pgevents.log WHERE id > $1 ORDER BY id', [run.since]))
    .map(({ id }) => id);
  const wrong = run.readers.filter(({ ids }) => ids.length !== all.length || ids.some((id, n) => id !== all[n]));
  return [
    ...judgeStress(rows, run.writers.record, new Map(counters.map(({ r, v }) => [r, v]))),
    ...run.readers.flatMap(({ violations }) => violations),
    ...wrong.map(({ ids }) => `a reader has ${ids.length} events, the log ${all.length}`),
  ];
}

const spread = (times) => {
  const sorted = times.toSorted((a, b) => a - b);
  return `p50 ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms, ${sorted.length} times`;
};
const counted = (map) => [...map].map(([name, count]) => `${count} × ${name}`).join(', ');

function describe(run, t, turns) {
  const { committed, rolledBack, unsure } = run.writers.record;
  t.diagnostic(`seed ${kSeed}; transactions: ${committed.length} committed, ${rolledBack.length} rolled back, ` +
    `${unsure.length} unsure; ${turns} turns left without ids`);
  t.diagnostic(`faults: ${counted(run.struck)}`);
  t.diagnostic(`errors: ${counted(run.writers.errors)}`);
  t.diagnostic(`calm after ${spread(run.calms)}`);
  t.diagnostic(`COMMIT took ${spread(committed.flatMap(({ commit }) => commit ?? []))}`);
  t.diagnostic(`a new publisher took ${spread(run.newcomers)}; at most ${run.locks} locks`);
}

// run: { database, canLeave, readers, crowds, faults, publishOverHttp, answering }. Gives how many turns were left.
async function stress(run, t) {
  Object.assign(run, { cluster, struck: new Map(), calms: [], newcomers: [], locks: 0, settles: 60_000 });
  const random = randomSource(kSeed);
  const before = await leftTurns(run.database);
  run.writers = new Writers(run.database, { seed: kSeed, publishOverHttp: run.publishOverHttp });
  const until = performance.now() + kSeconds * 1000;
  while (performance.now() < until) {
    await harass(run, random, Math.min(until, performance.now() + helpers(random).between(kRound) * 1000));
    await calmDown(run);
  }
  await run.writers.stop();
  await calmDown(run);
  const turns = (await leftTurns(run.database)) - before;
  describe(run, t, turns);
  const violations = await violationsOf(run);
  assert.equal(violations.slice(0, 8).join('\n'), '', `${violations.length} violations`);
  assert.ok(run.writers.record.committed.length > 3 * kSeconds, `${run.writers.record.committed.length} transactions`);
  assert.ok(Math.max(...run.calms) < kAtOnce, `calm after ${Math.max(...run.calms)} ms`);
  return turns;
}

async function publishBySql(database, channel, data) {
  const body = JSON.stringify({ type: 't', data });
  const sql = `SELECT (pgevents.http_publish(NULL, $1, $2, NULL) ->> 'id')::bigint`;
  const id = database.value(sql, [channel, body], { user: kServerUser });
  return within(id, 5000, sql).catch(() => undefined);
}

test(`SQL alone, ${kSeconds} s: ids are in the order of the commits, and nothing is lost or given twice`, async (t) => {
  const { database, canLeave } = await createDatabase();
  const since = await database.head();
  const random = randomSource(kSeed + 1);
  const readers = range(1, 2).map(() => new Reader(database, { sequences: canLeave, random, after: since }));
  const turns = await stress({
    database, canLeave, since, readers, crowds: [], faults: { ...kDatabaseFaults, ...kReaderFaults },
    publishOverHttp: (channel, data) => publishBySql(database, channel, data),
    answering: async () => {},
  }, t);
  if (canLeave) assert.ok(turns > kSeconds, `${turns} turns were left`);
  for (const reader of readers) await reader.stop();
});

async function startInstance(database) {
  const nginx = await startNginx({
    allow: [kKilledWorker],
    http: (n) => `
      pgevents_database main "${database.conninfo()}" ring=8m;
      server {
        listen ${n.listen()};
        location /rt/ {
          pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; pgevents_retry 300ms; pgevents_heartbeat 2s;
        }
      }`,
  });
  await nginx.waitListening();
  return nginx;
}

async function publishTo(nginx, channel, data) {
  const body = JSON.stringify({ type: 't', data });
  const headers = { 'Content-Type': 'application/json' };
  const answer = await request({ port: nginx.port, path: `/rt/events/${channel}`, method: 'POST', headers, body })
    .catch(() => undefined);
  return answer?.status === 200 ? answer.json().id : undefined;
}

const answers = ({ port }) =>
  request({ port, path: '/rt/events/probe?timeout=0.01' }).then(({ status }) => status === 200, () => false);

test(`two nginx, ${kSeconds} s: each client has every event once, in the order of the commits`, async (t) => {
  const { database, canLeave } = await createDatabase();
  const since = await database.head();
  const nginxes = [await startInstance(database), await startInstance(database)];
  const crowds = nginxes.map(({ port }) => new Crowd({ port, database }, { since }));
  for (const crowd of crowds) {
    crowd.stream(kChannels, { cursor: since });
    crowd.poller(kChannels, { cursor: since });
  }
  const turns = await stress({
    database, canLeave, since, nginxes, crowds, faults: { ...kDatabaseFaults, ...kNginxFaults },
    readers: [new Reader(database, { after: since })],
    publishOverHttp: (channel, data) => publishTo(nginxes[channel.length % 2], channel, data),
    answering: () => waitFor(async () => (await Promise.all(nginxes.map(answers))).every(Boolean), { timeout: 60_000 }),
  }, t);
  const sequences = canLeave && fs.readFileSync(kModule).includes('pgevents.sequencer_begin');
  if (sequences) assert.ok(turns > 0, 'turns were left');
  for (const crowd of crowds) t.diagnostic(describeFigures(await crowd.judge()));
});
