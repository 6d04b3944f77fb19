// Several nginx on one database, while applications publish as fast as they can: one reloads again and again, the one
// that gives the ids hangs, or its host is gone. Each subscriber gets each event once and in order, and those of the
// others get it soon; no publisher waits for long.
//   PGEVENTS_LISTENERS=16 PGEVENTS_HANG_SECONDS=30 node --test tests/faults/listeners.test.mjs
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kNginxProgram } from '../lib/names.mjs';
import { Publishers } from '../lib/publishers.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { slowFlush } from '../lib/slow_flush.mjs';
import { Crowd, kChannels } from './crowd.mjs';

const kListeners = Number(process.env.PGEVENTS_LISTENERS ?? 4);
const kHang = 1000 * Number(process.env.PGEVENTS_HANG_SECONDS ?? 3);
const kWriters = 16;
const kSoon = 5000; // ms, on a busy machine

const kHolder = `
  SELECT l.pid, a.client_addr, a.state FROM pg_locks l JOIN pg_stat_activity a USING (pid)
   WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = 6 AND l.objsubid = 2 AND l.granted
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const startServer = (database, options) => startModuleServer({
  database, workers: 1, parameters: 'sweep=60s', server: 'location = /status { pgevents_status main; }', ...options,
});
const publishAll = (database) => new Publishers(database, {
  count: kWriters, channels: kChannels, perTransaction: [1, 1], sleepMs: [0, 0], pauseMs: [0, 0], rollbacks: 0,
});

async function follow(servers, database) {
  const since = await database.head();
  const crowds = servers.map(({ port }) => new Crowd({ port, database }, { since }));
  for (const crowd of crowds) crowd.stream(kChannels, { cursor: since });
  await Promise.all(crowds.map((crowd) => crowd.opened()));
  return crowds;
}

// Everything that was committed is in the log, and comes to each subscriber. Gives the longest delays of each.
async function judge(t, database, publishers, crowds) {
  const { committed, unsure } = await publishers.stop();
  await waitFor(() => database.value('SELECT pgevents.is_settled()'), { what: 'everything settled' });
  const log = await database.log({ channels: kChannels });
  assert.equal(unsure.length, 0);
  assert.equal(log.length, committed.length, 'events in the log');
  const figures = [];
  for (const crowd of crowds) figures.push((await crowd.judge()).delays.stream);
  t.diagnostic(`${log.length} events; p50/p99/longest of each nginx: ` +
    figures.map(({ p50, p99, longest }) => `${p50}/${p99}/${longest}`).join(', '));
  return figures;
}

// The longest time without a commit, in ms, until `done` is settled.
async function longestPause(publishers, done) {
  let over = false;
  let pause = 0;
  const end = done.finally(() => (over = true));
  for (let from = performance.now(), count = -1; !over; await sleep(5)) {
    if (publishers.committedEvents !== count) [from, count] = [performance.now(), publishers.committedEvents];
    pause = Math.max(pause, Math.round(performance.now() - from));
  }
  await end;
  return pause;
}

const loops = async ({ port }) => (await readMetrics({ port, path: '/status' })).value('sequencer_active') === 1;

// Stops the worker that sequences, when no statement of its session is under way: so it keeps the lock. A sequencer
// remains one under load; the one that reloads gives it up.
async function hangSequencer(servers, database) {
  for (;;) {
    const server = await waitFor(async () => {
      for (const one of servers) if (await loops(one)) return one;
      return undefined;
    }, { what: 'a listener that sequences' });
    const [pid] = server.nginx.workers();
    server.nginx.kill(pid, 'SIGSTOP');
    const idle = async () => (await database.query(kHolder))[0]?.state === 'idle';
    if (await waitFor(idle, { timeout: 500 }).catch(() => false)) return { server, pid };
    server.nginx.kill(pid, 'SIGCONT');
  }
}

async function reloadUntil(server, isOver) {
  for (let n = 1; ; n++) {
    await server.nginx.waitGone(await server.nginx.reload());
    if (isOver()) return n;
  }
}

test(`${kListeners} nginx: one reloads in a loop, and the one that gives the ids hangs for ${kHang / 1000} s`, async (t) => {
  const cluster = await startCluster({ fsync: true, env: await slowFlush(3), settings: { max_connections: 400 } });
  const database = await cluster.createDatabase();
  const servers = [];
  for (let n = 0; n < kListeners; n++) servers.push(await startServer(database));
  const crowds = await follow(servers, database);
  const publishers = publishAll(database);
  let over = false;
  const reloads = reloadUntil(servers[0], () => over);
  const { server, pid } = await hangSequencer(servers.slice(1), database);
  const pause = await longestPause(publishers, sleep(kHang));
  over = true;
  t.diagnostic(`${await reloads} reloads; the longest time without a commit: ${pause} ms`);
  server.nginx.kill(pid, 'SIGCONT');
  const figures = await judge(t, database, publishers, crowds);
  const others = figures.filter((_, n) => servers[n] !== server);
  assert.ok(pause < kSoon, `${pause} ms without a commit`);
  assert.ok(others.every(({ longest }) => longest < kSoon), 'the others got everything soon');
});

// A host of its own: a network namespace, behind a cable that can be pulled.
class Host {
  constructor() {
    this.name_ = `pgev${process.pid}`;
    const net = `10.${(process.pid >> 8) & 255}.${process.pid & 255}`;
    this.here = `${net}.1`;
    this.there = `${net}.2`;
  }

  // Gives whether that is possible: not without root, nor in some containers.
  start() {
    const name = this.name_;
    atEnd(() => spawnSync('ip', ['netns', 'delete', name]));
    return [
      `netns add ${name}`, `link add ${name}a type veth peer name ${name}b netns ${name}`,
      `addr add ${this.here}/30 dev ${name}a`, `link set ${name}a up`, `-n ${name} addr add ${this.there}/30 dev ${name}b`,
      `-n ${name} link set lo up`, `-n ${name} link set ${name}b up`,
    ].every((args) => spawnSync('ip', args.split(' '), { stdio: 'ignore' }).status === 0);
  }

  pull() {
    spawnSync('ip', ['-n', this.name_, 'link', 'set', `${this.name_}b`, 'down']);
  }

  // A program that runs there.
  wrap(program) {
    const file = path.join(tempDir('host'), 'program');
    fs.writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${this.name_} ${program} "$@"\n`, { mode: 0o755 });
    return file;
  }
}

test('the host of the nginx that gives the ids is gone', async (t) => {
  const host = new Host();
  if (!host.start()) return t.skip('no network namespace can be made');
  const cluster = await startCluster({
    fsync: true, env: await slowFlush(3), settings: { listen_addresses: host.here },
  });
  await cluster.allowFirst(`host all all ${host.there}/32 trust`);
  const database = await cluster.createDatabase();
  const conninfo = () => `host=${host.here} port=${cluster.port} dbname=${database.name} user=test_server`;
  await startServer({ conninfo }, { binary: host.wrap(kNginxProgram), allow: [/.*/] });
  const publishers = publishAll(database);
  const holder = async () => (await database.query(kHolder))[0];
  await waitFor(async () => (await holder())?.client_addr === host.there, { what: 'it sequences' });
  const servers = [await startServer(database)];
  const crowds = await follow(servers, database);
  const { pid } = await waitFor(async () => {
    const one = await holder();
    return one?.client_addr === host.there && one;
  }, { what: 'it sequences' });
  host.pull();
  const from = performance.now();
  const freed = waitFor(async () => (await holder())?.pid !== pid, { what: 'the lock is free', timeout: 60_000 });
  const pause = await longestPause(publishers, freed);
  t.diagnostic(`its session ended after ${Math.round(performance.now() - from)} ms; without a commit: ${pause} ms`);
  const [{ longest }] = await judge(t, database, publishers, crowds);
  assert.ok(pause < kSoon, `${pause} ms without a commit`);
  assert.ok(longest < kSoon, `an event came after ${longest} ms`);
});
