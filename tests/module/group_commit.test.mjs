// Publishing keeps PostgreSQL's group commit: while many publish, the listener gives the ids, and commits share a
// flush. Whatever becomes of that listener, each event is delivered once, in order, and soon.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startCgiServer, startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { slowFlush } from '../lib/slow_flush.mjs';

// ms. So long that also on a busy machine publishers wait for flushes rather than for the processor.
const kFlush = 50;
const kWriters = 16;
const kAppend = [1885824374, 1];

const cluster = await sharedCluster({ fsync: true, env: await slowFlush(kFlush) });

const kStatus = 'location = /status { pgevents_status main; }';
const kSlowSweep = 'sweep=60s';

const startServer = (database, options) => startModuleServer({
  database, workers: 1, parameters: kSlowSweep, server: kStatus, ...options,
});
const where = ({ port }) => ({ port, path: '/status' });
const loops = async (server) => (await readMetrics(where(server))).value('sequencer_active') === 1;
// `sweep` is long in these tests, so that it cannot find what must arrive at once.
const isSettled = (database) => database.value('SELECT pgevents.is_settled()');

// Applications that publish as fast as they can, each an event in each transaction, until stop().
class Writers {
  constructor(database) {
    this.database_ = database;
    this.committed = Array.from({ length: kWriters }, () => 0);
    this.running_ = range(0, kWriters - 1).map((writer) => this.run_(writer));
    this.stopping_ = false;
    atEnd(() => this.stop());
  }

  async run_(writer) {
    const client = await this.database_.connect();
    try {
      while (!this.stopping_) {
        const data = { type: 'made', data: { writer, n: this.committed[writer] } };
        await client.query('INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2)', ['news', data]);
        this.committed[writer]++;
      }
    } finally {
      await client.end();
    }
  }

  get total() {
    return this.committed.reduce((sum, count) => sum + count, 0);
  }

  async commits(count) {
    const goal = this.total + count;
    const start = performance.now();
    await waitFor(() => this.total >= goal, { what: () => `${count} commits, ${goal - this.total} are missing` });
    return (1000 * count) / (performance.now() - start);
  }

  async stop() {
    this.stopping_ = true;
    await Promise.all(this.running_);
  }
}

// A stream from the first event on, by another worker than this one.
async function follow(server, notBy) {
  for (;;) {
    const stream = await server.stream('news', { cursor: 0 }).opened();
    if (stream.connection.headers['x-worker'] !== String(notBy)) return stream;
    await stream.close();
  }
}

const numbers = (stream) => stream.events.map(({ data }) => JSON.parse(data).data ?? JSON.parse(data));

// The stream gets each event of the writers once, and those of each writer in order.
async function assertComplete(stream, writers) {
  const { total } = writers;
  await waitFor(() => stream.events.length >= total, {
    what: () => `${total} events, has ${stream.events.length}`, timeout: 10_000,
  });
  const ids = stream.events.map(({ id }) => Number(id));
  assert.ok(ids.every((id, n) => n === 0 || id > ids[n - 1]), 'ids ascend');
  const next = writers.committed.map(() => 0);
  for (const { writer, n } of numbers(stream)) assert.equal(n, next[writer]++, `the next event of writer ${writer}`);
  assert.deepEqual(next, writers.committed);
}

// Publishes an event while another transaction has the lock under which ids are given. If a session is the sequencer,
// the event is left; otherwise this fails.
async function leaveOne(database, data) {
  const holder = await database.connect('postgres');
  const publisher = await database.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock($1, $2)', kAppend);
  try {
    await publisher.query("SET lock_timeout = '5s'");
    await publisher.query("SELECT pgevents.publish('news', 'made', $1::json)", [JSON.stringify(data)]);
    assert.equal(await isSettled(database), false, 'the event was left');
  } finally {
    await Promise.all([holder.end(), publisher.end()]);
  }
}

// Leaves one event, and the sequencer ends.
async function leaveBehind(database) {
  const sequencer = await database.connect(kServerUser);
  assert.equal((await sequencer.query('SELECT pgevents.sequencer_begin() AS begun')).rows[0].begun, true);
  await leaveOne(database, 1);
  assert.equal(await database.value('SELECT count(*) FROM pgevents.ready'), 1, 'the event was left');
  await sequencer.end();
  await waitFor(async () => !(await holderOfLock(database)), { what: 'the end of the sequencer' });
  assert.equal(await database.value('SELECT count(*) FROM pgevents.ready'), 1, 'nobody has noticed');
}

const kHolder = `
  SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885824374 AND objid = 6 AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
const holderOfLock = (database) => database.value(kHolder);

// Events that are left one at a time: no notification of another one makes anybody look.
async function leaveAlone(database, stream) {
  for (const n of range(1, 3)) {
    const received = stream.events.length;
    await waitFor(() => isSettled(database), { what: 'everything settled', timeout: 2_000 });
    await leaveOne(database, n);
    await waitFor(() => stream.events.length > received, { what: 'the event that was left', timeout: 2_000 });
  }
}

// Which of these nginx sequences.
const sequencerOf = (servers) => waitFor(async () => {
  for (const server of servers) if (await loops(server)) return server;
  return undefined;
}, { what: 'a listener that sequences' });

// Stops the worker that sequences, when its session has the lock and no statement is under way: it keeps the lock.
async function stopSequencer(servers, database) {
  const idle = () => database.value(`SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND pid IN (${kHolder})`);
  for (;;) {
    const server = await sequencerOf(servers);
    const pid = await listenerOf(server);
    server.nginx.kill(pid, 'SIGSTOP');
    const holder = await waitFor(idle, { timeout: 500 }).catch(() => undefined);
    if (holder) return { server, pid, holder };
    server.nginx.kill(pid, 'SIGCONT');
  }
}

// The worker that has the lease.
async function listenerOf(server) {
  const { body } = await request({ ...where(server), headers: { Accept: 'application/json' } });
  return JSON.parse(body).databases[0].workers.find(({ listens }) => listens).pid;
}

test('while many publish, the listener gives the ids, and commits are faster', async () => {
  const database = await cluster.createDatabase();
  const server = await startServer(database, { workers: 2 });
  await database.query("UPDATE pgevents.settings SET value = 'off' WHERE name = 'group_commit'");
  const stream = await follow(server);
  const writers = new Writers(database);
  await writers.commits(20);
  const slow = await writers.commits(40);
  assert.equal((await readMetrics(where(server))).value('sequenced_events_total'), 0, 'nothing was left');

  await database.query("UPDATE pgevents.settings SET value = 'on' WHERE name = 'group_commit'");
  await waitFor(() => loops(server), { what: 'a listener that sequences' });
  const fast = await writers.commits(300);
  assert.ok(fast > 2 * slow, `${fast} commits/s, ${slow} when each has its own flush`);
  assert.ok(await loops(server), 'it still sequences');
  const metrics = await readMetrics(where(server));
  assert.ok(metrics.value('sequenced_events_total') > 150, metrics.text);
  assert.ok(metrics.value('sequence_rounds_total') < metrics.value('sequenced_events_total') / 2, metrics.text);

  await writers.stop();
  await assertComplete(stream, writers);
  await waitFor(async () => !(await loops(server)), { what: 'the end of the loop', timeout: 2_000 });
  await waitFor(() => isSettled(database), { what: 'everything settled', timeout: 2_000 });
  assert.equal(await database.value('SELECT count(*) FROM pgevents.ready'), 0);
});

test('a listener that sequences notices that the operator switches it off', async () => {
  const database = await cluster.createDatabase();
  const server = await startServer(database);
  const stream = await follow(server);
  const writers = new Writers(database);
  await waitFor(() => loops(server), { what: 'a listener that sequences' });
  await writers.commits(50);
  await database.query("UPDATE pgevents.settings SET value = 'off' WHERE name = 'group_commit'");
  await waitFor(async () => !(await loops(server)), { what: 'the end of the loop', timeout: 3_000 });
  const sequenced = async () => (await readMetrics(where(server))).value('sequenced_events_total');
  await waitFor(() => isSettled(database), { what: 'everything settled', timeout: 2_000 });
  const before = await sequenced();
  await writers.commits(100);
  assert.equal(await sequenced(), before);
  await writers.stop();
  await assertComplete(stream, writers);
});

test('an nginx that is killed while it sequences is replaced by another one', async () => {
  const database = await cluster.createDatabase();
  const servers = [await startServer(database), await startServer(database)];
  const streams = await Promise.all(servers.map((server) => follow(server)));
  const writers = new Writers(database);
  const first = await sequencerOf(servers);
  const second = servers.find((server) => server !== first);
  await writers.commits(100);
  await first.nginx.crash();
  streams[servers.indexOf(first)].close();
  await waitFor(() => loops(second), { what: 'the other one sequences' });
  await writers.commits(100);
  await writers.stop();
  await assertComplete(streams[servers.indexOf(second)], writers);
});

// Its session goes on to hold the lock, so that publishers leave their events to it.
for (const workers of [1, 2]) {
  const other = workers === 1 ? 'another nginx' : 'another worker, when it has taken the lease over';
  test(`${other} drains in the place of a worker that is stopped while it sequences`, async () => {
    const database = await cluster.createDatabase();
    const servers = [await startServer(database, { workers })];
    if (workers === 1) servers.push(await startServer(database));
    const streams = await Promise.all(servers.map(async (server) =>
      follow(server, workers === 2 ? await listenerOf(server) : undefined)));
    const writers = new Writers(database);
    const { server, pid, holder } = await stopSequencer(servers, database);
    const stream = workers === 1 ? streams[1 - servers.indexOf(server)] : streams[0];
    try {
      await writers.commits(200);
      await writers.stop();
      await assertComplete(stream, writers);
      await leaveAlone(database, stream);
      assert.equal(await holderOfLock(database), holder, 'the stopped worker still has the lock');
    } finally {
      server.nginx.kill(pid, 'SIGCONT');
    }
    await waitFor(async () => !(await holderOfLock(database)), { what: 'the lock is free' });
    await waitFor(() => isSettled(database), { what: 'everything settled' });
  });
}

test('what a dead sequencer has left is delivered when a listener connects', async () => {
  const database = await cluster.createDatabase();
  await leaveBehind(database);
  const server = await startServer(database);
  const stream = await follow(server);
  await waitFor(() => stream.events.length === 1, { what: 'the event' });
  await waitFor(() => isSettled(database), { what: 'everything settled', timeout: 2_000 });
});

test('and by the fallback, over FastCGI at most once a second, and over CGI', async () => {
  const database = await cluster.createDatabase();
  const fallback = await startFallback({ conninfo: database.conninfo(), processes: 1 });
  const { port } = await startNginx({
    loadModule: false, http: (n) => `server { listen ${n.listen()}; location /rt/ { ${fallback.nginxLines({ base: '/rt' })} } }`,
  });
  const cgi = await startCgiServer({ conninfo: database.conninfo() });
  const eventsAt = async (at) =>
    (await request({ port: at, path: '/rt/events/news?last_event_id=0&flavor=poll' })).json().length;
  await leaveBehind(database);
  assert.equal(await eventsAt(port), 1);
  await leaveBehind(database);
  await waitFor(async () => await eventsAt(port) === 2, { what: 'the second event', timeout: 2_000 });
  await leaveBehind(database);
  assert.equal(await eventsAt(cgi.port), 3);
});

test('a schema before version 10 gets no statement about it, and an upgrade is noticed', async () => {
  const database = await cluster.createDatabase();
  const version = (number) => database.query(`
    CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int)
    LANGUAGE sql IMMUTABLE AS 'SELECT ${number}, 7'`);
  await version(9);
  await database.query(`ALTER DATABASE ${database.name} SET log_statement = 'all'`);
  await database.disconnect();
  const server = await startServer(database);
  const stream = await follow(server);
  const writers = new Writers(database);
  await writers.commits(100);
  await waitFor(() => stream.events.length > 50, { what: 'events' });
  const statements = () => cluster.logText().split('\n')
    .filter((line) => line.includes(`@${database.name} `) && / listener .*pgevents\.(sequence|publishers_waiting)/.test(line));
  assert.deepEqual(statements(), []);
  assert.equal((await readMetrics(where(server))).value('sequencer_able'), 0);
  await version(10);
  await waitFor(() => loops(server), { what: 'a listener that sequences' });
  assert.ok(statements().length > 0, 'they are found in the log');
  assert.equal((await readMetrics(where(server))).value('sequencer_able'), 1);
  await writers.stop();
  await assertComplete(stream, writers);
});
