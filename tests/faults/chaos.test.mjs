// Several faults at the same time, at random, while events flow: one lane breaks nginx, one the database, one the
// network and the fallback. Afterwards every client must have every event once.
//   PGEVENTS_CHAOS_SECONDS=120 PGEVENTS_CHAOS_SEED=7 node --test tests/faults/chaos.test.mjs
// The seed determines the order and duration of each lane's faults; their overlap depends on the machine. The test's
// name contains the seed, and its diagnostics list the faults with their times.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { childrenOf, signalIfAlive, waitGone } from '../lib/processes.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

const kSeconds = Number(process.env.PGEVENTS_CHAOS_SECONDS ?? 30);
const kSeed = Number(process.env.PGEVENTS_CHAOS_SEED ?? Date.now() % 1e9);
const kRound = 30; // seconds, after which all clients must catch up
const kPause = [200, 2500]; // ms between two faults of a lane
const kSettles = 90_000; // ms; includes the time until dead connections are given up
assert.ok(kSeconds > 0 && Number.isInteger(kSeed), 'PGEVENTS_CHAOS_SECONDS and PGEVENTS_CHAOS_SEED must be numbers');

const cluster = await startCluster({ tcp: true });
const proxy = await startProxy(cluster.port);

// The front-ends connect through the proxy.
async function createDatabase() {
  const made = await cluster.createDatabase();
  made.conninfo = () => `host=127.0.0.1 port=${proxy.port} dbname=${made.name} user=${kServerUser} sslmode=disable`;
  return made;
}

// Answers of the fallback fit into one buffer; docs/fallback.md describes what happens if one is filled to the last
// byte.
const kBuffers = 'fastcgi_buffer_size 4m; fastcgi_buffers 2 4m; fastcgi_busy_buffers_size 4m;';
const service = await startService({
  cluster: { createDatabase }, workers: 3, tcp: true, allow: [kKilledWorker], server: kBuffers,
  location: 'pgevents_retry 300ms; pgevents_poll_interval 1s; pgevents_timeout 20s; pgevents_heartbeat 2s;',
});
service.cluster = cluster;
const { nginx, database, fallback } = service;
const scenario = scenariosOn(service, { serves: kSettles, resumes: kSettles });

// --- faults: each gets random helpers, and repairs what it breaks ---

const pausedPids = async (pids, ms) => {
  for (const pid of pids) signalIfAlive(pid, 'SIGSTOP');
  await sleep(ms);
  for (const pid of pids) signalIfAlive(pid, 'SIGCONT');
};

const kNginxFaults = {
  'a worker is killed': ({ pick }) => signalIfAlive(pick(nginx.workers()), 'SIGKILL'),
  'all workers are killed': () => nginx.workers().forEach((pid) => signalIfAlive(pid, 'SIGKILL')),
  'a worker hangs': ({ pick, between }) => pausedPids([pick(nginx.workers())], between([500, 4000])),
  'nginx reloads': () => nginx.reload(),
  'nginx reloads three times': async () => {
    for (let n = 0; n < 3; n++) await nginx.reload();
  },
  'the module is off': async ({ between }) => {
    service.switchModule(false);
    await sleep(between([200, 5000]));
    service.switchModule(true);
  },
  'the module is taken out and put in again': async ({ between }) => {
    await nginx.reload((n) => service.http(n, { module: false }), { loadModule: false });
    await sleep(between([200, 3000]));
    await nginx.reload((n) => service.http(n), { loadModule: true });
  },
  'nginx is killed with all its workers and started': async () => {
    await nginx.crash();
    await nginx.start();
  },
};

// Some of the pool's connections may belong to a server that was killed.
const asAdministrator = (sql) => waitFor(() => database.query(sql).then(() => true), { what: sql });
const terminate = (where) => asAdministrator(
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${kServerUser}' AND (${where})`);

const kDatabaseFaults = {
  'PostgreSQL restarts (fast)': () => cluster.restart('fast'),
  'PostgreSQL restarts (immediate)': () => cluster.restart('immediate'),
  'the postmaster is killed': async () => {
    await cluster.kill9();
    await cluster.start();
  },
  'PostgreSQL is away': async ({ between }) => {
    await cluster.stop('fast');
    await sleep(between([500, 5000]));
    await cluster.start();
  },
  'PostgreSQL hangs': ({ between }) =>
    pausedPids([cluster.pid, ...childrenOf(cluster.pid)], between([300, 3000])),
  'the listener is cut': () => terminate("application_name = 'pgevents listener'"),
  'all sessions are cut': () => terminate('true'),
};

const kOtherFaults = {
  'the network is cut': async ({ between }) => {
    proxy.cut();
    await sleep(between([100, 3000]));
    proxy.mend();
  },
  'the network is slow': async ({ between }) => {
    proxy.delay(between([20, 300]));
    await sleep(between([500, 4000]));
    proxy.mend();
  },
  'the network swallows everything on its connections': () => void proxy.freeze(),
  'a process of the fallback is killed': ({ pick }) => signalIfAlive(pick(fallback.processes()), 'SIGKILL'),
  'the fallback is killed and started': async ({ between }) => {
    const pids = [fallback.pid, ...fallback.processes()];
    signalIfAlive(fallback.pid, 'SIGKILL');
    await waitGone(pids, 'the fallback', 15_000);
    await sleep(between([0, 1000]));
    await fallback.start();
  },
  'streams are read slowly': async ({ between, crowd, random }) => {
    const streams = crowd.members.map(({ client }) => client).filter((client) => client instanceof EventStream);
    const paused = streams.filter((client) => random() < 0.5 && client.status === 200);
    paused.forEach((client) => client.pause());
    await sleep(between([500, 4000]));
    paused.forEach((client) => client.resume());
  },
};

const betweenBy = (random) => ([from, to]) => from + random() * (to - from);
const pickBy = (random) => (list) => list[Math.floor(random() * list.length)];

// Causes one fault after the other until the time is up. Gives the faults with their times.
async function lane(name, faults, { seed, until, crowd, timeline }) {
  const random = randomSource(seed);
  while (performance.now() < until) {
    const fault = pickBy(random)(Object.keys(faults));
    const pause = betweenBy(random)(kPause);
    // Each fault has its own random source, so that the next fault does not depend on how many numbers this one used.
    const own = randomSource(Math.floor(random() * 2 ** 32));
    const from = performance.now();
    await faults[fault]({ crowd, random: own, between: betweenBy(own), pick: pickBy(own) });
    timeline.push({ at: from, text: `${name}: ${fault}, ${Math.round(performance.now() - from)} ms` });
    await sleep(pause);
  }
}

const kRounds = Math.ceil(kSeconds / kRound);

scenario(`chaos for ${kSeconds} s, seed ${kSeed}`, async ({ crowd, round, t }) => {
  const from = performance.now();
  const until = from + Math.min(kRound, kSeconds) * 1000;
  const timeline = [];
  const lanes = { nginx: kNginxFaults, database: kDatabaseFaults, around: kOtherFaults };
  const running = Object.entries(lanes).map(([name, faults], n) =>
    lane(name, faults, { seed: kSeed + 1000 * round + n, until, crowd, timeline }));
  try {
    await Promise.all(running);
  } finally {
    await Promise.allSettled(running);
    timeline.sort((a, b) => a.at - b.at);
    for (const { at, text } of timeline) t.diagnostic(`${((at - from) / 1000).toFixed(1)} s  ${text}`);
  }
  assert.ok(timeline.length > 10, `${timeline.length} faults`);
}, { rounds: kRounds });

test('at the end the log is clean', () => nginx.stop({ allow: [kKilledWorker] }));
