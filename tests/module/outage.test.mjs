// A location without a fallback while its database is away: event streams whose cursor is not in the ring are open and
// wait, whatever prevents queries of the log, because a browser's EventSource gives up for good after an error. Then
// they continue from where they would have begun. outage_ring.test.mjs has those whose cursor is in the ring.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { describe, test } from 'node:test';

import { assertError, newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';
import { Socket } from '../lib/web_socket.mjs';

const kRetry = 400; // ms; while the database is away up to five times as much
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

const cluster = await startCluster();
const database = await cluster.createDatabase();
const location = `pgevents_retry ${kRetry}ms; pgevents_heartbeat 1s; pgevents_jwt_key ${keyFile};`;
const server = await startModuleServer({
  database, location, ring: '64k',
  server: (n) => `
    listen ${n.listen(1)} http2 reuseport;
    location /both/ {
      pgevents main; pgevents_subscribe "*"; ${location} fastcgi_pass 127.0.0.1:1; error_page 502 504 = @held;
    }
    location @held { pgevents main; pgevents_subscribe "*"; ${location} }
    location /released/ {
      pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; ${location} pgevents_release_request on;
    }`,
});
const { nginx } = server;

const now = () => Date.now() / 1000;
const as = (user, claims) => ({
  headers: { Authorization: `Bearer ${signToken({ sub: user, iat: now(), exp: now() + 600, ...claims }, { key })}` },
});

const poll = (channel = 'probe') => server.get(channel, { query: { flavor: 'poll' } });
const isAway = async () => (await poll()).status === 503;
const isBack = async () => (await poll()).status === 200;

// Runs `body` while the database is away.
async function whileAway(body) {
  await cluster.stop('fast');
  await waitFor(isAway, { what: 'the database away' });
  try {
    return await body();
  } finally {
    await cluster.start();
    await waitFor(isBack, { what: 'the database back' });
  }
}

// An event of more than a quarter of the ring takes the place of all others there.
async function emptyRing() {
  const stream = server.stream('large');
  await stream.opened();
  await database.publish('large', 'made', 'x'.repeat(20_000));
  await stream.waitForEvents(1);
  await stream.close();
}

const waits = (stream) => stream.waitForBlock(({ kind }) => kind === 'waiting');

// The stream is open, has a retry time and a cursor, and sends heartbeats.
async function assertWaits(stream) {
  const block = await waits(stream);
  assert.ok(block.retry >= kRetry && block.retry <= 5 * kRetry, `retry ${block.retry}`);
  await stream.waitForBlock(({ kind }) => kind === 'heartbeat');
  const { status, headers } = stream.connection;
  assert.deepEqual([status, headers['content-type'], headers['cache-control']], [200, 'text/event-stream', 'no-store']);
  assert.deepEqual([stream.events, stream.opening], [[], undefined]);
  return block;
}

// The client counts as connected since `arrived` (seconds): every event committed later, or less than four seconds
// earlier, must reach it.
function assertFixed(id, arrived) {
  const start = Number(/^rt-([0-9]+)$/.exec(id)?.[1]);
  assert.ok(start <= arrived - 4.9 && start >= arrived - 7, `${id} for a request at ${arrived}`);
}

const expected = async (stream, channel) => {
  const after = typeof stream.start === 'number' ? stream.start : 0;
  const since_us = typeof stream.start === 'string' ? Number(stream.start.slice(3)) * 1e6 : 0;
  return (await database.log({ after, channels: [channel] })).filter(({ ts_us }) => ts_us > since_us);
};

async function assertNothingMissing(stream, channel) {
  const rows = await expected(stream, channel);
  await stream.waitForEvents(rows.length);
  assertDelivered(stream, rows);
  assert.equal(stream.retry, kRetry, 'the usual retry time when it continues');
  assert.equal(stream.connections.length, 1);
}

// A stream over HTTP/2, with the part of EventStream's interface that is needed here.
function openHttp2(channel, { cursor } = {}) {
  const session = http2.connect(`http://127.0.0.1:${nginx.ports[1]}`);
  atEnd(() => session.destroy());
  const headers = { ':path': `/rt/events/${channel}`, accept: 'text/event-stream' };
  const request = session.request(cursor === undefined ? headers : { ...headers, 'last-event-id': String(cursor) });
  const stream = new EventStreamLike(request);
  request.on('close', () => session.close());
  return stream;
}

class EventStreamLike {
  constructor(request) {
    Object.assign(this, { blocks: [], events: [], connections: [{}], connection: { headers: {} }, request_: request });
    const parser = new StreamParser({ onBlock: (block) => this.take_(block) });
    this.violations = parser.violations;
    request.on('response', (headers) => Object.assign(this.connection, { status: headers[':status'], headers }));
    request.on('data', (chunk) => parser.push(chunk));
    request.on('error', () => {});
  }

  take_(block) {
    this.blocks.push(block);
    this.retry = block.retry ?? this.retry;
    if (block.kind === 'event') this.events.push(block);
  }

  get opening() {
    return this.blocks.find(({ kind }) => kind === 'opening');
  }

  get start() {
    return this.blocks[0]?.id;
  }

  waitForBlock(predicate) {
    return waitFor(() => this.blocks.find(predicate), { what: 'a block' });
  }

  waitForEvents(count) {
    return waitFor(() => this.events.length >= count, { what: () => `${count} events, ${this.events.length} so far` });
  }

  describe() {
    return 'HTTP/2';
  }

  assertStrict() {
    assert.deepEqual(this.violations, []);
  }

  close() {
    this.request_.close();
  }
}

const kWays = {
  'HTTP/1.1': (channel, options) => server.stream(channel, options),
  'a released request': (channel, options) => new EventStream({ port: server.port, path: `/released/events/${channel}`,
    ...options }),
  'HTTP/2': openHttp2,
  'a location whose fallback does not run': (channel, options) =>
    new EventStream({ port: server.port, path: `/both/events/${channel}`, ...options }),
};

// [the client's cursor, the id that it gets at once], as functions of the newest event's id
const kCursors = {
  'no cursor': [() => undefined, undefined],
  'everything': [() => 0, () => 0],
  'an id': [(id) => id, (id) => id],
  'a time': [() => 'rt-1406125522.5', () => 'rt-1406125522.500000'],
};

test('while the database is away streams are open and wait, and then continue without a gap', async () => {
  const channel = newChannel();
  const id = await database.publish(channel, 'made', 1);
  await database.publish(channel, 'made', 2);
  await emptyRing();
  const streams = [];
  await whileAway(async () => {
    const arrived = now();
    for (const [way, open] of Object.entries(kWays)) {
      for (const [what, [cursorOf, wantedOf]] of Object.entries(kCursors)) {
        streams.push({ stream: open(channel, { cursor: cursorOf(id) }), what: `${what} over ${way}`,
          wanted: wantedOf?.(id) });
      }
    }
    for (const { stream, what, wanted } of streams) {
      const block = await assertWaits(stream);
      wanted === undefined ? assertFixed(block.id, arrived) : assert.equal(block.id, wanted, what);
    }
    for (const flavor of ['poll', 'long-poll']) {
      const answer = await server.get(channel, { query: { flavor } });
      assertError(answer, 503, 'SERVICE_UNAVAILABLE', 'The database is not available');
      assert.equal(answer.headers['retry-after'], '5');
    }
    const head = await server.get(channel, { method: 'HEAD', headers: { Accept: 'text/event-stream' } });
    assert.deepEqual([head.status, head.headers['retry-after']], [503, '5']);
  });
  await database.publish(channel, 'made', 3);
  for (const { stream } of streams) {
    await assertNothingMissing(stream, channel);
    await stream.close();
  }
  nginx.assertCleanLog();
});

test('a client without a cursor that reconnects meanwhile loses nothing since its first attempt', async () => {
  const channel = newChannel();
  const first = await whileAway(async () => {
    const stream = server.stream(channel);
    await waits(stream);
    await stream.close();
    return stream;
  });
  const id = await database.publish(channel, 'made', 'between');
  const second = server.stream(channel, { cursor: first.cursor });
  await second.waitForEvents(1);
  assert.equal(second.events[0].id, id);
  await second.close();
});

test('a reload ends a waiting stream with its cursor, and its client loses nothing', async () => {
  const channel = newChannel();
  const streams = await whileAway(async () => {
    const opened = range(1, 8).map(() => server.stream(channel, { reconnect: true, maxDelay: 50 }));
    await Promise.all(opened.map(waits));
    await nginx.waitGone(await nginx.reload());
    for (const stream of opened) {
      await waitFor(() => stream.connections.length > 1 && stream.status === 200, { what: stream.describe() });
      assert.equal(stream.connections[0].how, 'end');
      assert.equal(stream.blocks.find(({ kind }) => kind === 'closing' || kind === 'cursor').id ?? stream.start,
        stream.start);
    }
    return opened;
  });
  await database.publish(channel, 'made', null);
  for (const stream of streams) {
    const rows = await expected(stream, channel);
    await stream.waitForEvents(rows.length);
    assertDelivered(stream, rows);
    await stream.close();
  }
});

// --- other reasons that prevent queries of the log ---

const kTroubles = {
  'the role must not read the log': [
    `REVOKE EXECUTE ON FUNCTION pgevents.fetch FROM pgevents_server`,
    `GRANT EXECUTE ON FUNCTION pgevents.fetch TO pgevents_server`],
  'the log is locked for longer than the statement timeout': [
    `ALTER ROLE ${kServerUser} SET lock_timeout = '200ms'`, `ALTER ROLE ${kServerUser} RESET lock_timeout`, 'history'],
  'all connections are in use': [
    `ALTER ROLE ${kServerUser} CONNECTION LIMIT 1`, `ALTER ROLE ${kServerUser} CONNECTION LIMIT -1`],
};

// Ends every session with the database except the listener's.
const cutPool = () => database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE usename = $1 AND application_name <> 'pgevents listener'`, [kServerUser]);

async function whileLocked(table, body) {
  const client = await database.connect('postgres');
  try {
    await client.query('BEGIN');
    if (table) await client.query(`LOCK TABLE pgevents.${table} IN ACCESS EXCLUSIVE MODE`);
    return await body();
  } finally {
    await client.end();
  }
}

describe('while the listener follows the log, but', () => {
  for (const [what, [trouble, mend, table]] of Object.entries(kTroubles)) {
    test(`${what}: new streams wait`, async () => {
      const channel = newChannel();
      const id = await database.publish(channel, 'made', 1);
      await database.query(trouble);
      let streams;
      try {
        await whileLocked(table, async () => {
          await cutPool();
          const arrived = now();
          streams = ['rt-1', undefined].map((cursor) => server.stream(channel, { cursor }));
          const ids = (await Promise.all(streams.map(assertWaits))).map((block) => block.id);
          assert.equal(ids[0], 'rt-1');
          assertFixed(ids[1], arrived);
          const answer = await server.get(channel, { query: { flavor: 'poll', last_event_id: 'rt-1' } });
          assert.equal(answer.status, 503, answer.body);
        });
      } finally {
        await database.query(mend);
        await cutPool();
      }
      await database.publish(channel, 'made', 2);
      for (const stream of streams) {
        await assertNothingMissing(stream, channel);
        await stream.close();
      }
      assert.ok(streams[0].events.some((event) => event.id === id));
    });
  }
});

// --- permissions that end while a stream waits ---

async function assertOver(stream, reason) {
  assert.equal((await stream.ended()).how, 'end');
  stream.assertStrict();
  assert.deepEqual(stream.events.map(({ type, data, id }) => [type, data, id]), [
    ['pgevents.expired', stream.options_.envelope ? stream.events[0].data : `{"reason":"${reason}"}`, stream.start]]);
}

test('a waiting stream ends when its token expires, with its cursor', async () => {
  await whileAway(async () => {
    const exp = now() + 1.5;
    const openBoth = (envelope) =>
      [undefined, 7].map((cursor) => server.stream(newChannel(), { ...as('1', { exp }), cursor, query: { envelope } }));
    const streams = ['0', '1'].flatMap(openBoth);
    for (const stream of streams) await assertOver(stream, 'expired');
    assert.ok(now() >= exp);
    assert.match(streams[0].start, /^rt-/);
  });
});

test('a waiting stream whose token was revoked meanwhile ends without an event', async () => {
  const channel = newChannel();
  await database.publish(channel, 'made', 'secret');
  const [bad, good] = [as('2', { iat: now() - 10 }), as('3')];
  await database.query(`ALTER ROLE ${kServerUser} NOLOGIN`);
  await cluster.restart();
  await waitFor(isAway, { what: 'the database away' });
  const streams = [bad, good].map((who) => server.stream(channel, { ...who, cursor: 0 }));
  await Promise.all(streams.map(waits));
  await database.query("SELECT pgevents.revoke('2')");
  await database.query(`ALTER ROLE ${kServerUser} LOGIN`);
  await assertOver(streams[0], 'revoked');
  await streams[1].waitForEvents(1);
  await streams[1].close();
});

// --- WebSockets ---

test('WebSockets, open ones and new ones, wait with a cursor; requests are answered with 503', async () => {
  const channel = newChannel();
  const socketAt = (base, options = {}) =>
    new Socket({ port: nginx.port, path: `${base}/events/${channel}`, ...options }).opened();
  const before = await Promise.all(['/rt', '/released'].map((base) => socketAt(base)));
  const fresh = await whileAway(async () => {
    const arrived = now();
    const sockets = await Promise.all(['/rt', '/released'].map((base) => socketAt(base, as('ws'))));
    for (const socket of sockets) assertFixed(socket.cursors[0], arrived);
    for (const socket of [...before, ...sockets]) {
      assert.equal((await socket.ask({ publish: channel, type: 'made' })).status, 503);
      assert.equal((await socket.ask({ subscribe: ['more'] })).status, 503);
      const pings = socket.pings;
      await waitFor(() => socket.pings > pings, { what: 'a heartbeat' });
    }
    return sockets;
  });
  for (const n of range(1, 3)) await database.publish(channel, 'made', { n });
  for (const socket of [...before, ...fresh]) {
    const log = await database.log({ channels: [channel] }); // also what the sockets before have published
    await socket.waitForEvents(log.length);
    assertDelivered(socket.received, log);
    assert.match(socket.cursors.at(-1), /^[0-9]+$/);
    const retried = () => socket.ask({ publish: channel, type: 'made' });
    await waitFor(async () => (await retried()).status === 201, { what: 'publications again' });
    assert.equal((await socket.ask({ subscribe: ['more'] })).status, 200);
    assert.equal((await socket.close(1000)).code, 1000);
  }
});

test('a WebSocket whose token was revoked meanwhile ends without an event', async () => {
  const channel = newChannel();
  const bad = as('5', { iat: now() - 10 });
  await database.query(`ALTER ROLE ${kServerUser} NOLOGIN`);
  await cluster.restart();
  await waitFor(isAway, { what: 'the database away' });
  const socket = await new Socket({ port: nginx.port, path: `/rt/events/${channel}`, ...bad }).opened();
  assert.equal((await socket.ask({ publish: channel, type: 'made' })).status, 503, 'unknown whether it was revoked');
  await database.query("SELECT pgevents.revoke('5')");
  await database.query(`ALTER ROLE ${kServerUser} LOGIN`);
  assert.deepEqual(await socket.end(), { code: 4401, reason: 'revoked' });
  assert.deepEqual(socket.objects.filter(({ data }) => data).map(({ data }) => data.type), ['pgevents.expired']);
});

test('at the end the log is clean', () => nginx.stop());
