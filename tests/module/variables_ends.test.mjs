// `$pgevents_end_reason` names each way in which a stream or poll ends, beside the cursor and the number of events that
// the client was sent until then. (Not here: `error`, which needs refused memory.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'key');
fs.writeFileSync(keyFile, key.text);

const log = path.join(tempDir('log'), 'access.log');
const server = await startModuleServer({
  database,
  ring: '256k',
  http: 'log_format ends "$pgevents_channels $pgevents_user $pgevents_cursor $pgevents_events_sent $pgevents_end_reason";',
  server: `access_log ${log} ends;
    location /slow/ { pgevents main; pgevents_subscribe "*"; send_timeout 1s; }`,
  location: `pgevents_jwt_key ${keyFile}; pgevents_timeout 1s;`,
});

const as = (user, claims = {}) => {
  const token = signToken({ sub: user, iat: inSeconds(-10), exp: inSeconds(600), ...claims }, { key });
  return { headers: { Authorization: `Bearer ${token}` } };
};
const lines = (channel) => fs.readFileSync(log, 'utf8').split('\n').filter((line) => line.startsWith(`${channel} `));

// [user, cursor, events, reason] of the n-th request for the channel that ended.
async function ended(channel, n = 1) {
  await waitFor(() => lines(channel).length >= n, { what: `${channel} in the log`, timeout: 60_000 });
  return lines(channel)[n - 1].split(' ').slice(1);
}

// A stream that was sent `count` events; gives it with its cursor.
async function streamWith(channel, count, options = {}) {
  const stream = await server.stream(channel, options).opened();
  let cursor;
  for (const n of range(1, count)) cursor = await database.publish(channel, 'made', n);
  await stream.waitForEvents(count);
  return { stream, cursor: String(cursor) };
}

test('answered: a poll and a long poll with events', async () => {
  const channel = newChannel();
  const first = await database.publish(channel, 'made', 1);
  assert.equal((await server.get(channel, { query: { flavor: 'poll', last_event_id: first - 1 } })).json().length, 1);
  assert.deepEqual((await ended(channel)).slice(2), ['1', 'answered']);
  const waiting = server.pending(channel, { query: { last_event_id: first } });
  await sleep(100);
  const second = await database.publish(channel, 'made', 2);
  await waiting.answer;
  assert.deepEqual(await ended(channel, 2), ['-', String(second), '1', 'answered']);
});

test('timeout: a long poll without events', async () => {
  const channel = newChannel();
  await server.get(channel);
  assert.deepEqual((await ended(channel)).slice(2), ['0', 'timeout']);
});

test('wait_id_busy: the second request with a wait id', async () => {
  const channel = newChannel();
  const stream = await server.stream(`${channel}/one`).opened();
  await server.get(`${channel}/one`);
  assert.deepEqual((await ended(channel)).slice(2), ['0', 'wait_id_busy']);
  await stream.close();
});

test('client_left: the client closes a stream or long poll', async () => {
  const channel = newChannel();
  const { stream, cursor } = await streamWith(channel, 3, as('10'));
  await stream.close();
  assert.deepEqual(await ended(channel), ['10', cursor, '3', 'client_left']);
});

test('client_too_slow: the client reads nothing for send_timeout', async () => {
  const channel = newChannel();
  const where = `/slow/events/${channel}`;
  const stream = await new EventStream({ port: server.port, path: where }).opened();
  stream.pause();
  const kLot = `INSERT INTO pgevents.events (channel_id, data)
    SELECT $1, json_build_object('type', 'made', 'data', repeat(md5(n::text), 2000)) FROM generate_series(1, 20) n`;
  for (let i = 0; i < 10 && lines(channel).length === 0; i++) await database.query(kLot, [channel]);
  const [user, cursor, events, reason] = await ended(channel);
  assert.deepEqual([user, reason], ['-', 'client_too_slow']);
  assert.ok(Number(events) > 0 && Number(events) <= 200, events);
  assert.match(cursor, /^[0-9]+$/);
  await stream.close();
});

test('expired and revoked: the permission ends', async () => {
  const [one, two] = [newChannel(), newChannel()];
  const expiring = await streamWith(one, 1, as('11', { exp: inSeconds(2) }));
  const revoked = await streamWith(two, 2, as('12'));
  await database.query('SELECT pgevents.revoke($1)', ['12']);
  const [user, cursor, events, reason] = await ended(two);
  assert.deepEqual([user, events, reason], ['12', '2', 'revoked']);
  assert.ok(Number(cursor) >= Number(revoked.cursor));
  assert.deepEqual((await ended(one)).filter((_, i) => i !== 1), ['11', '1', 'expired']);
  await Promise.all([expiring, revoked].map(({ stream }) => stream.close()));
});

test('disconnected: the application disconnects the user', async () => {
  const channel = newChannel();
  await streamWith(channel, 1, as('13'));
  await database.query('SELECT pgevents.disconnect($1)', ['13']);
  assert.deepEqual((await ended(channel)).filter((_, i) => i !== 1), ['13', '1', 'disconnected']);
});

// The worker that does not listen can be stopped while the other one overwrites the ring.
async function streamBy(channel, isWanted, options) {
  for (;;) {
    const stream = await server.stream(channel, options).opened();
    if (isWanted(Number(stream.connection.headers['x-worker']))) return stream;
    await stream.close();
  }
}

test('recheck: the worker may have missed a revocation', async () => {
  const channel = newChannel();
  const [, pid] = [...server.nginx.logText().matchAll(/ ([0-9]+)#[^\n]* pgevents: listening to/g)].at(-1);
  const listens = (worker) => worker === Number(pid);
  const seer = await streamBy('last', listens);
  const stream = await streamBy(channel, (worker) => !listens(worker), as('14'));
  const worker = Number(stream.connection.headers['x-worker']);
  const closed = lines(channel).length;
  process.kill(worker, 'SIGSTOP');
  try {
    await database.query('SELECT pgevents.revoke($1)', ['somebody']);
    for (const n of range(1, 60)) await database.publish('other', 'made', { n, text: 'x'.repeat(10_000) });
    await database.publish('last', 'made', 1);
    await seer.waitForEvents(1);
  } finally {
    process.kill(worker, 'SIGCONT');
  }
  const [user, , events, reason] = await ended(channel, closed + 1);
  assert.deepEqual([user, events, reason], ['14', '0', 'recheck']);
});

test('database_away: the log does not answer in time', async () => {
  const channel = newChannel();
  const blocker = await database.connect('postgres');
  await blocker.query('BEGIN; LOCK TABLE pgevents.log IN ACCESS EXCLUSIVE MODE');
  const waiting = server.get(channel, { query: { last_event_id: 'rt-1.5' } });
  assert.equal((await waiting).status, 503);
  await blocker.query('ROLLBACK');
  await blocker.end();
  assert.deepEqual(await ended(channel), ['-', 'rt-1.500000', '0', 'database_away']);
});

test('leaving: the worker leaves', async () => {
  const channel = newChannel();
  const { stream } = await streamWith(channel, 2, as('15'));
  const polled = newChannel();
  const waiting = server.pending(polled);
  await sleep(100);
  const old = await server.nginx.reload();
  await waiting.answer;
  await server.nginx.waitGone(old, 15_000);
  const [user, , events, reason] = await ended(channel);
  assert.deepEqual([user, events, reason], ['15', '2', 'leaving']);
  assert.deepEqual((await ended(polled)).slice(2), ['0', 'leaving']);
  assert.equal((await stream.ended()).how, 'end');
});
