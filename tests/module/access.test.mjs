// Permissions that end by the token's expiry, by revocation, by disconnection, on two nginx instances with one
// database. A client that may reconnect resumes with its cursor and loses nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import { test } from 'node:test';

import { assertError, newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster, startCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { locationText, ModuleServer, startModuleServer } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

// The query `?user=…` sets the user, which is for tests only.
const location = `pgevents_jwt_key ${keyFile}; pgevents_user $arg_user; pgevents_retry 100ms;`;
const database = await (await sharedCluster()).createDatabase();
const kLateLocation = `location /late/ { pgevents main; pgevents_subscribe "*"; ${location} pgevents_jwt_leeway 1s; }`;
const options = {
  database, location, server: kLateLocation,
};
const [server, second] = [await startModuleServer(options), await startModuleServer(options)];
const both = [server, second];

const now = () => Date.now() / 1000;
const kSoon = 10; // seconds: usually it is milliseconds, but the machine may be busy
const token = (user, claims = {}) => signToken({ sub: user, iat: now(), exp: now() + 600, ...claims }, { key });
const bearer = (text) => ({ headers: { Authorization: `Bearer ${text}` } });
const as = (user, claims) => bearer(token(user, claims));

const revoke = (user, before = 'now()') => database.query(`SELECT pgevents.revoke($1, ${before})`, [user]);
const disconnect = (user) => database.query('SELECT pgevents.disconnect($1)', [user]);

const assertRevoked = (answer) => assertError(answer, 401, 'TOKEN_REVOKED', 'The token was revoked');
const poll = (where, channel, who, query = {}) => where.get(channel, { ...who, query: { flavor: 'poll', ...query } });

// The stream's last event reports this reason, and the server ended the stream in order.
async function assertOver(stream, reason) {
  assert.equal((await stream.ended()).how, 'end');
  stream.assertStrict();
  const last = stream.blocks.at(-1);
  assert.deepEqual([last.type, last.data], ['pgevents.expired', `{"reason":"${reason}"}`]);
  assert.equal(String(last.id), stream.cursor);
}

// Successive streams of one client together received all events of the log.
async function assertNothingLost(streams, channel) {
  const events = streams.flatMap((stream) => stream.events).filter(({ type }) => type !== 'pgevents.expired');
  const describe = () => streams.map((stream) => stream.describe()).join(', ');
  const assertStrict = () => assert.deepEqual(streams.flatMap(({ violations }) => violations), []);
  assertDelivered({ events, describe, assertStrict }, await database.log({ channels: [channel] }));
}

// --- expiry ---

test('a stream ends when its token expires, not before, and the client loses nothing', async () => {
  const channel = newChannel();
  const exp = now() + 1.5;
  const stream = await server.stream(channel, as('1', { exp })).opened();
  const before = await database.publish(channel, 'made', 'before');
  await stream.waitForEvents(1);
  await assertOver(stream, 'expired');
  const late = now() - exp;
  assert.ok(late >= 0 && late < kSoon, `ended ${late} s after exp`);
  assert.equal(Number(stream.cursor) >= before, true);
  await database.publish(channel, 'made', 'between');
  const next = await server.stream(channel, { ...as('1'), cursor: stream.cursor }).opened();
  await database.publish(channel, 'made', 'behind');
  await next.waitForEvents(2);
  await next.close();
  await assertNothingLost([stream, next], channel);
});

test('the last event of a stream with envelopes is an envelope', async () => {
  const channel = newChannel();
  const query = { envelope: '1' };
  const stream = server.stream(channel, { ...as('1', { exp: now() + 1 }), query });
  await stream.ended();
  stream.assertStrict();
  const object = JSON.parse(stream.blocks.at(-1).data);
  const data = { type: 'pgevents.expired', data: { reason: 'expired' } };
  assert.deepEqual([object.channel_id, object.data], [channel, data]);
  assert.equal(String(object.id), stream.cursor);
  assert.ok(Math.abs(object.ts - now()) < 5);
});

test('a waiting long poll is answered when the token expires, with the cursor to resume from', async () => {
  const channel = newChannel();
  const exp = now() + 1;
  const answer = await server.get(channel, as('1', { exp }));
  const late = now() - exp;
  assert.ok(late >= 0 && late < kSoon, `answered ${late} s after exp`);
  assert.deepEqual([answer.status, answer.body], [200, '[]']);
  assert.equal(answer.headers['x-shortpoll-info'], 'expired');
  assert.equal(answer.headers['x-ps-reconnect-in'], '0');
  const id = await database.publish(channel, 'made', null);
  const headers = { ...as('1').headers, 'Last-Event-ID': answer.headers['last-event-id'] };
  const next = await server.get(channel, { headers });
  assert.deepEqual(next.json().map((event) => event.id), [id]);
});

test('a long poll whose timeout comes first is answered as usual', async () => {
  const answer = await server.get(newChannel(), { ...as('1', { exp: now() + 5 }), query: { timeout: '0.3' } });
  assert.deepEqual([answer.status, answer.body, answer.headers['x-shortpoll-info']], [200, '[]', undefined]);
});

test('the expiry of a token without a user ends its stream', async () => {
  await assertOver(server.stream(newChannel(), as(undefined, { exp: now() + 1 })), 'expired');
});

test('the leeway applies to streams too', async () => {
  const exp = now() + 0.5;
  const stream = new EventStream({ port: server.port, path: `/late/events/${newChannel()}`, ...as('1', { exp }) });
  await assertOver(stream, 'expired');
  const late = now() - exp - 1;
  assert.ok(late >= 0 && late < kSoon, `ended ${late} s after exp and leeway`);
});

test('a stream whose client reads nothing ends as well, and its cursor leads to the rest', async () => {
  const channel = newChannel();
  const exp = now() + 2;
  const stream = await server.stream(channel, as('1', { exp })).opened();
  stream.pause();
  for (const n of range(1, 40)) await database.publish(channel, 'made', { n, text: 'x'.repeat(250_000) });
  await sleep(Math.max(0, exp + 1 - now()) * 1000);
  stream.resume();
  const { how } = await stream.ended();
  assert.notEqual(how, 'end');
  const next = await server.stream(channel, { ...as('1'), cursor: stream.cursor }).opened();
  await next.waitForEvents(40 - stream.events.length);
  await next.close();
  await assertNothingLost([stream, next], channel);
});

// Opens a stream over HTTP/2. Gives its blocks, its parser and a promise of its end.
function streamOverHttp2(session, channel, who) {
  const blocks = [];
  const parser = new StreamParser({ onBlock: (block) => blocks.push(block) });
  const stream = session.request({ ':path': `/rt/events/${channel}?flavor=eventsource`, ...who.headers });
  stream.on('data', (chunk) => parser.push(chunk));
  const ended = new Promise((resolve, reject) => {
    stream.on('close', () => resolve(stream.rstCode));
    stream.on('error', reject);
  });
  return { blocks, parser, ended };
}

test('streams of one HTTP/2 connection end each at its time, and the connection stays open', async () => {
  const text = (n) => `pgevents_database main "${database.conninfo()}" ring=4m;
    server { listen ${n.listen(0)} http2; ${locationText({ location })} }
    server { listen ${n.listen(1)}; ${locationText({ location })} }`;
  const nginx = await startNginx({ http: text });
  const plain = new ModuleServer({ port: nginx.ports[1] });
  await waitFor(async () => (await poll(plain, 'cheese', as('1'))).status === 200, { what: 'service' });
  const session = http2.connect(`http://127.0.0.1:${nginx.port}`);
  atEnd(() => session.destroy());
  const channel = newChannel();
  const first = streamOverHttp2(session, channel, as('1', { exp: now() + 1 }));
  const other = streamOverHttp2(session, channel, as('2'));
  assert.equal(await first.ended, 0);
  assert.equal(first.blocks.at(-1).type, 'pgevents.expired');
  await database.publish(channel, 'made', null);
  await waitFor(() => other.blocks.some(({ type }) => type === 'made'), { what: 'an event for the other stream' });
  await revoke('2', "now() + interval '1 second'");
  assert.equal(await other.ended, 0);
  assert.equal(other.blocks.at(-1).data, '{"reason":"revoked"}');
  assert.deepEqual([...first.parser.violations, ...other.parser.violations], []);
});

// --- revocation ---

test('a revocation ends the requests of its user on both instances within a second, and no others', async () => {
  const channel = newChannel();
  const open = (who) => both.map((where) => where.stream(channel, who));
  const old = token('10', { iat: now() - 10 });
  const byToken = open(bearer(old));
  const byServer = open({ query: { user: '10' } });
  const fresh = open(as('10', { iat: now() + 100, nbf: undefined, exp: now() + 900 }));
  const others = [...open(as('11')), ...open({})];
  await Promise.all([...byToken, ...byServer, ...others].map((stream) => stream.opened()));
  for (const stream of fresh) assert.equal((await stream.ended()).status, 401); // issued in the future
  const polls = both.map((where) => where.pending(channel, bearer(old)));
  await sleep(100);
  const started = performance.now();
  await revoke('10');
  await Promise.all([...byToken, ...byServer].map((stream) => assertOver(stream, 'revoked')));
  for (const { answer } of polls) assert.equal((await answer).headers['x-shortpoll-info'], 'expired');
  const took = performance.now() - started;
  assert.ok(took < kSoon * 1000, `${took} ms`);
  for (const where of both) assertRevoked(await poll(where, channel, bearer(old)));
  await database.publish(channel, 'made', null);
  await Promise.all(others.map((stream) => stream.waitForEvents(1)));
  await Promise.all(others.map((stream) => stream.close()));
});

test('a revocation rejects tokens issued before its time, and ends only their streams', async () => {
  const channel = newChannel();
  const [old, fresh] = [as('12', { iat: now() - 60 }), as('12', { iat: now() - 20 })];
  const [first, other] = [await server.stream(channel, old).opened(), await server.stream(channel, fresh).opened()];
  const undated = await server.stream(channel, as('12', { iat: undefined })).opened();
  await revoke('12', "now() - interval '40 seconds'");
  await assertOver(first, 'revoked');
  await assertOver(undated, 'revoked');
  assertRevoked(await poll(server, channel, old));
  assert.equal((await poll(second, channel, fresh)).status, 200);
  await database.publish(channel, 'made', null);
  await other.waitForEvents(1);
  await other.close();
});

test('a slow publication is rejected if its user is revoked before the last byte', async () => {
  const channel = newChannel();
  const body = '{"type":"made","data":1}';
  const who = as('13', { iat: now() - 10 });
  const headers = { ...who.headers, 'Content-Type': 'application/json', 'Content-Length': body.length };
  const answer = new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port: server.port, path: `/rt/events/${channel}`, method: 'POST' };
    const outgoing = http.request({ ...target, headers }, resolve);
    outgoing.on('error', reject);
    outgoing.write(body.slice(0, 5));
    (async () => {
      await sleep(100);
      await revoke('13');
      await waitFor(async () => (await poll(server, channel, who)).status === 401, { what: 'the revocation' });
      outgoing.end(body.slice(5));
    })().catch(reject);
  });
  assert.equal((await answer).statusCode, 401);
  assert.equal((await database.log({ channels: [channel] })).length, 0);
});

test('a revocation without an end can be lifted', async () => {
  const channel = newChannel();
  const who = as('14');
  await revoke('14', "'infinity'");
  await waitFor(async () => (await poll(server, channel, who)).status === 401, { what: 'the revocation' });
  assertRevoked(await poll(server, channel, as('14', { iat: now() })));
  const stream = await server.stream(channel, { query: { user: '14' } }).opened();
  await revoke('14', "'-infinity'");
  await waitFor(async () => (await poll(server, channel, who)).status === 200, { what: 'the end of the revocation' });
  await database.publish(channel, 'made', null);
  await stream.waitForEvents(1); // lifting ends no stream
  await stream.close();
});

// --- disconnection ---

test('disconnecting ends streams and polls on both instances; clients reconnect at once with their cursors', async () => {
  const channel = newChannel();
  const who = [as('20'), { query: { user: '20' } }];
  const streams = both.flatMap((where) => who.map((one) => where.stream(channel, { ...one, reconnect: true })));
  const other = await server.stream(channel, as('21')).opened();
  await Promise.all(streams.map((stream) => stream.opened()));
  const polls = both.map((where) => where.pending(channel, who[0]));
  await sleep(100);
  await database.publish(newChannel(), 'made', null);
  const started = performance.now();
  await disconnect('20');
  for (const { answer } of polls) assert.equal((await answer).headers['x-shortpoll-info'], 'closing');
  await Promise.all(streams.map((stream) => waitFor(() => stream.connections[0].how, { what: 'the end' })));
  assert.ok(performance.now() - started < kSoon * 1000);
  const reconnected = (stream) => waitFor(() => stream.connections[1]?.status === 200, { what: 'the reconnection' });
  await Promise.all(streams.map(reconnected));
  await database.publish(channel, 'made', null);
  for (const stream of [...streams, other]) await stream.waitForEvents(1);
  for (const stream of streams) {
    assert.equal(stream.connections[0].how, 'end');
    assert.ok(stream.retry >= 100 && stream.retry <= 200, `retry ${stream.retry}`);
    await stream.close();
    stream.assertStrict();
    assertDelivered(stream, await database.log({ channels: [channel] }));
  }
  assert.equal(other.connections.length, 1);
  await other.close();
});

test('a revocation ends many streams of a user together', async () => {
  const channel = newChannel();
  const streams = range(1, 300).map(() => server.stream(channel, as('22', { iat: now() - 5 })));
  await Promise.all(streams.map((stream) => stream.opened()));
  await revoke('22');
  await Promise.all(streams.map((stream) => assertOver(stream, 'revoked')));
});

// --- workers that start later, or are late ---

test('a worker that starts after the revocation rejects the token from its first answer', async () => {
  const channel = newChannel();
  const who = as('30', { iat: now() - 10 });
  await revoke('30');
  await waitFor(async () => (await poll(second, channel, who)).status === 401, { what: 'the revocation' });
  const old = await second.nginx.reload();
  await second.nginx.waitGone(old);
  for (let i = 0; i < 20; i++) assertRevoked(await poll(second, channel, who));
  await second.nginx.quit();
  await second.nginx.start();
  // Until the revocations are loaded, every request gets 503.
  const answers = [];
  await waitFor(async () => {
    answers.push((await poll(second, channel, who)).status);
    return answers.at(-1) === 401;
  }, { what: () => `401 in ${answers}`, interval: 1 });
  assert.deepEqual(answers.filter((status) => status !== 401 && status !== 503), []);
});

test('an instance without its database still rejects revoked users', async () => {
  const cluster = await startCluster();
  const own = await cluster.createDatabase();
  const where = await startModuleServer({ ...options, database: own });
  const [bad, good] = [as('31', { iat: now() - 10 }), as('32')];
  await own.query("SELECT pgevents.revoke('31')");
  await waitFor(async () => (await poll(where, 'cheese', bad)).status === 401, { what: 'the revocation' });
  await cluster.stop();
  await waitFor(async () => (await poll(where, 'cheese', good)).status === 503, { what: 'the database away' });
  assertRevoked(await poll(where, 'cheese', bad));
  const publish = { method: 'POST', body: '{"type":"made"}' };
  assertRevoked(await where.get('cheese', { ...bad, ...publish }));
  await cluster.start();
  await waitFor(async () => (await poll(where, 'cheese', good)).status === 200, { what: 'the database back' });
  assertRevoked(await poll(where, 'cheese', bad));
  await where.nginx.stop({ allow: [] });
});

// Stops the worker that serves the stream, calls `meanwhile`, and publishes more than the ring can contain.
async function overtake(where, stream, meanwhile) {
  const worker = Number(stream.connection.headers['x-worker']);
  process.kill(worker, 'SIGSTOP');
  try {
    await meanwhile();
    for (const n of range(1, 60)) await database.publish(newChannel(), 'made', { n, text: 'x'.repeat(10_000) });
    const last = await database.publish('overtaking', 'made', null);
    await waitFor(async () => {
      const query = { flavor: 'poll', last_event_id: last - 1 };
      const answers = [0, 1, 2, 3].map(() => where.get('overtaking', { query, timeout: 500 }));
      return (await Promise.allSettled(answers)).some(({ value }) => value?.json().length === 1);
    }, { what: 'all events in the other worker' });
    await sleep(300);
  } finally {
    process.kill(worker, 'SIGCONT');
  }
}

test('a worker that the ring overtook disconnects all users, and revoked users stay out', async () => {
  const where = await startModuleServer({ ...options, ring: '256k' });
  const channel = newChannel();
  const [bad, good] = [as('33', { iat: now() - 10 }), as('34')];
  const open = (who) => where.stream(channel, { ...who, reconnect: true }).opened();
  const streams = await Promise.all(range(1, 8).flatMap(() => [bad, good]).map(open));
  const anonymous = await where.stream(channel).opened();
  await overtake(where, streams[0], () => revoke('33'));
  for (const [i, stream] of streams.entries()) {
    const wanted = i % 2 === 0 ? 401 : 200;
    await waitFor(() => stream.status === wanted, { what: () => `${wanted}: ${stream.describe()}`, timeout: 10_000 });
  }
  await database.publish(channel, 'made', null);
  for (const stream of [anonymous, ...streams.filter((_, i) => i % 2 === 1)]) await stream.waitForEvents(1);
  assert.equal(anonymous.connections.length, 1);
  for (const stream of [anonymous, ...streams]) await stream.close();
});

// --- wait ids ---

const infoOf = (answer) => answer.headers['x-shortpoll-info'];

test('each user has separate wait ids', async () => {
  const channel = newChannel();
  const busy = async (who) => infoOf(await server.get(`${channel}/key`, { ...who, query: { timeout: '0.2' } }));
  const first = await server.stream(`${channel}/key`, as('40')).opened();
  assert.equal(await busy(as('40')), 'wait-id-busy');
  assert.equal(await busy(as('41')), undefined);
  assert.equal(await busy(as('40', { realm: 'dairy' })), undefined);
  assert.equal(await busy({}), undefined);
  await first.close();
});

test('clients without a user share a wait id with others of their realm', async () => {
  const channel = newChannel();
  const busy = async (who) => infoOf(await server.get(`${channel}/key`, { ...who, query: { timeout: '0.2' } }));
  const first = await server.stream(`${channel}/key`, as(undefined, { realm: 'dairy' })).opened();
  assert.equal(await busy(as(undefined, { realm: 'dairy' })), 'wait-id-busy');
  assert.equal(await busy(as(undefined, { realm: 'bakery' })), undefined);
  assert.equal(await busy({}), undefined);
  await first.close();
});

test('at the end the logs are clean', async () => {
  for (const where of both) await where.nginx.stop();
});
