// WebSockets in the module: the same subscriber as a stream. What is delivered, how channels come and go on an open
// connection, what its client asks for, and how it ends.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { WebSocket as Undici } from 'undici';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered, expectedRows } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { newRealm } from '../lib/realm.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';
import { kProtocol, Socket, socketUrl } from '../lib/web_socket.mjs';

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);
const certificate = await selfSignedCertificate();
const database = await (await sharedCluster()).createDatabase();
const kUsers = `pgevents main; pgevents_jwt_key ${keyFile}; pgevents_publish "open.*"; pgevents_heartbeat 1s;`;
const server = await startModuleServer({
  database,
  server: (n) => `
    listen ${n.listen(1)} ssl reuseport;
    ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
    location /released/ { pgevents main; pgevents_subscribe "*"; pgevents_publish "*"; pgevents_release_request on;
      pgevents_heartbeat 1s; }
    location /small/ { pgevents main; pgevents_subscribe "*"; pgevents_max_channels 3; pgevents_publish "*";
      pgevents_max_event_size 2k; }
    location /slow/ { pgevents main; pgevents_subscribe "*"; send_timeout 1s; pgevents_publish "*"; }
    location = /status { stub_status; }
    location /users/ { ${kUsers} }
    location /users_released/ { ${kUsers} pgevents_release_request on; }`,
});
const { nginx } = server;

const now = () => Date.now() / 1000;
const token = (user, claims) => signToken({ sub: user, iat: now(), exp: now() + 600, ...claims }, { key });
const grant = (...patterns) => ({ pgevents: { subscribe: patterns } });
const as = (text) => ({ headers: { Authorization: `Bearer ${text}` } });
const open = (channels, { base = '/rt', query = '', ...options } = {}) =>
  new Socket({ port: nginx.ports[options.tls ? 1 : 0], path: `${base}/events/${channels}${query}`, ...options }).opened();

const kForms = [
  ['plain', {}], ['with TLS', { tls: true }], ['released', { base: '/released' }],
  ['released, with TLS', { base: '/released', tls: true }],
];

for (const [title, options] of kForms) {
  test(`${title}: events, in order, once, as in the arrays of a long poll`, async () => {
    const [a, b] = [newChannel(), newChannel()];
    await database.publish(a, 'made', { n: 0 });
    const before = await database.head();
    const socket = await open(`${a},${b}`, options);
    assert.deepEqual(socket.objects[0], { cursor: String(before) });
    assert.equal(socket.socket.protocol, kProtocol);
    for (const n of range(1, 50)) await database.publish(n % 3 ? a : b, 'made', { n, text: 'ü'.repeat(n * 20) });
    await socket.waitForEvents(50);
    assert.deepEqual(await socket.close(1000), { code: 1000, reason: '' });
    const log = await database.log({ channels: [a, b] });
    assertDelivered(socket.received, expectedRows(log, { after: before }));
  });

  test(`${title}: a cursor behind the ring's beginning, filters, 4 MB at once`, async () => {
    const channel = newChannel();
    const socket = await open(channel, { ...options, query: '?last_event_id=0&not_types=typing' });
    for (let i = 0; i < 10; i++) {
      await database.query(`INSERT INTO pgevents.events (channel_id, data) SELECT $1,
        json_build_object('type', CASE n % 2 WHEN 0 THEN 'made' ELSE 'typing' END, 'data', repeat(md5(n::text), 1300))
        FROM generate_series(1, 20) n`, [channel]);
    }
    await socket.waitForEvents(100);
    const late = await open(channel, { ...options, query: '?last_event_id=0' });
    await late.waitForEvents(200);
    const log = await database.log({ channels: [channel] });
    assertDelivered(socket.received, expectedRows(log, { not_types: ['typing'] }));
    assertDelivered(late.received, log);
    await Promise.all([socket.close(), late.close()]);
  });
}

test('undici, which Node and browsers speak with, receives the same', async () => {
  const channel = newChannel();
  const socket = new Undici(socketUrl({ port: nginx.port, path: `/rt/events/${channel}` }), [kProtocol]);
  const texts = [];
  socket.onmessage = ({ data }) => texts.push(data);
  await waitFor(() => texts.length === 1, { what: 'the opening' });
  const id = await database.publish(channel, 'made', { n: 1 });
  await waitFor(() => texts.length === 2, { what: 'an event' });
  assert.equal(JSON.parse(texts[1]).id, Number(id));
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  socket.close(1000, 'done');
  assert.deepEqual([(await closed).code, (await closed).wasClean], [1000, true]);
});

test('without a subprotocol and with envelope=0: type and data only, also from the log', async () => {
  const channel = newChannel();
  const options = { protocols: [], base: '/released', query: '?envelope=0' };
  const socket = await open(channel, options);
  await database.publish(channel, 'made', { n: 1 });
  await waitFor(() => socket.messages.length === 1, { what: 'a frame' });
  socket.send('whatever the page of 2014 sends');
  await waitFor(() => socket.pings >= 3, { what: 'heartbeats without cursors' });
  await database.publish(channel, 'sold"', null);
  await waitFor(() => socket.messages.length === 2, { what: 'a second frame' });
  const late = await open(channel, { ...options, query: '?envelope=0&last_event_id=0' });
  await waitFor(() => late.messages.length === 2, { what: 'frames from the log' });
  const wanted = ['{"type":"made","data":{"n":1}}', '{"type":"sold\\"","data":null}'];
  for (const one of [socket, late]) assert.deepEqual(one.messages.map(({ text }) => text), wanted);
  assert.deepEqual([socket.socket.protocol, (await socket.close(1000)).code], ['', 1000]);
  await late.close();
});

// --- channels come and go ---

test('a channel subscribed later: its events behind its cursor come first, then the reply, then it is live', async () => {
  const [a, b] = [newChannel(), newChannel()];
  for (const n of range(1, 5)) await database.publish(b, 'made', { n });
  const from = (await database.log({ channels: [b] }))[1].id;
  const socket = await open(a, { base: '/released' });
  const { status, body } = await socket.ask({ subscribe: [b], last_event_id: String(from) });
  assert.equal(status, 200);
  assert.equal(socket.events.length, 3, 'before the reply');
  assert.ok(Number(body.last_event_id) >= socket.events.at(-1).id);
  for (const n of range(6, 9)) await database.publish(n % 2 ? a : b, 'made', { n });
  await socket.waitForEvents(7);
  const log = await database.log({ channels: [a, b] });
  assertDelivered(socket.received, expectedRows(log, { after: from }));
  await socket.close();
});

test('subscriptions from now on, from the log, again, to nothing new, and unsubscriptions', async () => {
  const [a, b, c] = [newChannel(), newChannel(), newChannel()];
  await database.publish(b, 'made', 'before');
  const socket = await open(a);
  const head = await database.head();
  const now_on = await socket.ask({ subscribe: [b] });
  assert.deepEqual([now_on.status, Number(now_on.body.last_event_id) >= head], [200, true]);
  assert.equal((await socket.ask({ subscribe: [b, a], last_event_id: '0' })).status, 200);
  assert.equal(socket.events.length, 0, 'a subscribed channel is not sent again');
  await database.publish(b, 'made', 'after');
  await socket.waitForEvents(1);
  assert.deepEqual(await socket.ask({ unsubscribe: [b, 'never'] }), { status: 200, body: { result: 'success' } });
  await database.publish(b, 'made', 'not seen');
  await database.publish(a, 'made', 'seen');
  await socket.waitForEvents(2);
  assert.deepEqual(socket.events.map(({ data }) => data.data), ['after', 'seen']);
  const all = await socket.ask({ unsubscribe: [a] });
  assert.equal(all.status, 200);
  assert.equal((await socket.ask({ subscribe: [c], last_event_id: 'rt-0' })).status, 200);
  await database.publish(c, 'made', 'last');
  await socket.waitForEvents(3);
  assert.equal((await socket.ask({ subscribe: [b], last_event_id: '0' })).status, 200);
  assert.equal(socket.events.length, 6, 'all of b');
  await socket.close();
});

test('while events are published, channels that come and go lose and repeat nothing', async () => {
  const channels = range(1, 6).map(() => newChannel());
  const sockets = await Promise.all(range(1, 8).map((n) => open(channels[0],
    { base: n % 2 ? '/rt' : '/released', tls: n > 4 })));
  let going = true;
  const publisher = (async () => {
    for (let n = 0; going; n++) await database.publish(channels[n % 6], 'made', { n, text: 'x'.repeat(n % 900) });
  })();
  const cursors = sockets.map(() => new Map());
  await Promise.all(sockets.map(async (socket, at) => {
    for (let turn = 0; turn < 12; turn++) {
      const channel = channels[1 + (turn % 5)];
      if (cursors[at].get(channel)?.open) {
        assert.equal((await socket.ask({ unsubscribe: [channel] })).status, 200);
        const last = socket.events.filter(({ channel_id }) => channel_id === channel).at(-1);
        cursors[at].set(channel, { cursor: last?.id ?? cursors[at].get(channel).cursor });
      } else {
        const cursor = cursors[at].get(channel)?.cursor ?? 0;
        assert.equal((await socket.ask({ subscribe: [channel], last_event_id: String(cursor) })).status, 200);
        cursors[at].set(channel, { cursor, open: true });
      }
    }
    for (const channel of channels.slice(1)) {
      if (cursors[at].get(channel)?.open) continue;
      const cursor = cursors[at].get(channel)?.cursor ?? 0;
      assert.equal((await socket.ask({ subscribe: [channel], last_event_id: String(cursor) })).status, 200);
    }
  }));
  going = false;
  await publisher;
  const marks = await Promise.all(channels.map((channel) => database.publish(channel, 'end', null)));
  for (const socket of sockets) {
    const first = Number(socket.cursors[0]);
    await waitFor(() => marks.every((id) => socket.events.some((event) => event.id === Number(id))),
      { what: 'the last events' });
    const { events } = socket.received;
    for (const channel of channels) {
      const after = channel === channels[0] ? first : 0;
      const log = await database.log({ channels: [channel], after });
      const own = events.filter(({ channel_id }) => channel_id === channel);
      assertDelivered({ events: own, describe: () => channel, assertStrict: () => {} }, log);
    }
    await socket.close();
  }
});

test('a subscription is checked as over HTTP; one bad channel, and nothing is subscribed', async () => {
  const [a, b] = [`open.${newChannel()}`, newChannel()];
  const socket = await open(a, { base: '/users', ...as(token('1', grant('open.*'))) });
  const denied = await socket.ask({ subscribe: [`open.${b}`, b] });
  const msg = `Not authorized for channel '${b}'`;
  assert.deepEqual(denied, { status: 403, body: { result: 'error', code: 'FORBIDDEN', msg } });
  assert.equal((await socket.ask({ subscribe: ['a b'] })).body.msg, "Invalid channel name 'a b'");
  assert.equal((await socket.ask({ subscribe: [b], last_event_id: 'x' })).status, 403);
  assert.equal((await socket.ask({ subscribe: [a], last_event_id: 'x' })).body.msg, 'Invalid Last-Event-ID');
  await database.publish(`open.${b}`, 'made', 'no');
  await database.publish(a, 'made', 'yes');
  await socket.waitForEvents(1);
  assert.deepEqual(socket.events.map(({ data }) => data.data), ['yes']);
  await socket.close();
  const small = await open('a,b', { base: '/small' });
  assert.equal((await small.ask({ subscribe: ['c', 'd'] })).body.msg, 'Too many channels (at most 3)');
  assert.equal((await small.ask({ subscribe: ['c'] })).status, 200);
  await small.close();
});

// --- what else a client asks for ---

test('a publication has the same answer as over HTTP, and a retry with its key publishes nothing', async () => {
  const channel = `open.${newChannel()}`;
  const socket = await open(channel, { base: '/users_released', ...as(token('1', grant('open.*'))) });
  const publication = { publish: channel, type: 'made', data: { n: 1.50, s: 'ü' }, ttl: 60, idempotency_key: 'k1' };
  const first = await socket.ask(publication);
  assert.equal(first.status, 201);
  assert.deepEqual(await socket.ask(publication), first);
  assert.equal((await socket.ask({ ...publication, data: 2 })).status, 422);
  assert.equal((await socket.ask({ publish: channel, type: 'error' })).status, 400);
  assert.equal((await socket.ask({ publish: 'closed', type: 'made' })).body.msg, "Not authorized for channel 'closed'");
  await socket.waitForEvents(1);
  assert.deepEqual(socket.events.map(({ id }) => id), [first.body.id]);
  const hundred = await Promise.all(range(1, 100).map((n) => socket.ask({ publish: channel, type: 'made', data: n })));
  assert.ok(hundred.every(({ status }) => status === 201), 'more than may wait at a time');
  await socket.waitForEvents(101);
  await socket.close();
  const small = await open('a', { base: '/small' });
  const large = await small.ask({ publish: 'a', type: 'made', data: 'x'.repeat(3000) });
  assert.equal(large.status, 413);
  small.send(JSON.stringify({ request: 1, publish: 'a', data: 'x'.repeat(100_000) }));
  assert.equal((await small.end()).code, 1009);
});

test('calls have the same answers as over HTTP', async () => {
  const realm = await newRealm(database, '21');
  const own = realm.userChannel('21');
  const socket = await open(own, { base: '/users', ...as(token('21', { realm: realm.name })) });
  const call = (method, where, body) => socket.ask({ call: { method, path: where, ...(body && { body }) } });
  const report = await call('POST', '/users/me/presence', { status: 'active', ping_only: true });
  assert.deepEqual(report, { status: 200, body: { result: 'success', msg: '' } });
  const registered = await call('POST', '/register', {});
  assert.deepEqual([registered.status, registered.body.user_channel], [200, own]);
  assert.equal((await call('GET', '/users/21/presence')).status, 200);
  assert.equal((await call('PATCH', '/settings', { presence_enabled: false })).status, 200);
  await socket.waitForEvents(1);
  assert.equal(socket.events[0].data.type, 'user_settings');
  assert.equal((await call('POST', '/typing', { op: 'x' })).body.code, 'BAD_REQUEST');
  assert.equal((await call('DELETE', '/typing')).status, 405);
  assert.equal((await call('GET', '/nothing')).status, 404);
  assert.equal((await call('POST', `/events/${own}`, { type: 'made' })).status, 403);
  assert.equal((await call('GET', `/events/${own}`)).body.msg, 'Not a call: subscribe and publish are messages of their own');
  const long = await call('POST', '/typing', { to: 'x'.repeat(70_000) });
  assert.equal(long.status, 413);
  await socket.close();
});

test('new credentials replace the old ones if they are good enough', async () => {
  const channel = `open.${newChannel()}`;
  const soon = token('31', { ...grant('open.*'), exp: now() + 3 });
  const socket = await open(channel, { base: '/users', ...as(soon) });
  const give = (text) => socket.ask({ token: text });
  assert.equal((await give('x')).status, 401);
  assert.equal((await give(token('31', { exp: now() - 5 }))).body.code, 'TOKEN_EXPIRED');
  assert.equal((await give(token('32', grant('open.*')))).body.msg, 'The token is of another user');
  assert.equal((await give(token('31'))).body.msg, `Not authorized for channel '${channel}'`);
  assert.deepEqual(await give(token('31', grant('open.*', 'new'))), { status: 200, body: { result: 'success' } });
  assert.equal((await socket.ask({ subscribe: ['new'] })).status, 200);
  await waitFor(() => now() > JSON.parse(Buffer.from(soon.split('.')[1], 'base64url')).exp + 1,
    { what: 'the end of the first token' });
  await database.publish(channel, 'made', 'still here');
  await socket.waitForEvents(1);
  assert.equal(socket.over, undefined);
  await database.query('SELECT pgevents.revoke($1)', ['31']);
  assert.deepEqual(await socket.end(), { code: 4401, reason: 'revoked' });
  const plain = await open('a');
  assert.equal((await plain.ask({ token: 'x' })).body.msg, 'Tokens have no effect here');
  await plain.close();
});

// --- the end ---

for (const base of ['/users', '/users_released']) {
  test(`${base}: expiry, revocation and disconnection end it with a code and a cursor that loses nothing`, async () => {
    const channel = `open.${newChannel()}`;
    const who = (user, claims) => ({ base, ...as(token(user, { ...grant('open.*'), ...claims })) });
    const expiring = await open(channel, who('41', { exp: now() + 2 }));
    const revoked = await open(channel, who('42'));
    const disconnected = await open(channel, who('43'));
    const id = await database.publish(channel, 'made', 1);
    await Promise.all([expiring, revoked, disconnected].map((socket) => socket.waitForEvents(1)));
    await database.query('SELECT pgevents.revoke($1)', ['42']);
    await database.query('SELECT pgevents.disconnect($1)', ['43']);
    assert.deepEqual(await revoked.end(), { code: 4401, reason: 'revoked' });
    assert.deepEqual(await disconnected.end(), { code: 1012, reason: 'closing' });
    assert.deepEqual(await expiring.end(), { code: 4401, reason: 'expired' });
    for (const [socket, reason] of [[expiring, 'expired'], [revoked, 'revoked']]) {
      const { id: cursor, channel_id, data } = socket.objects.at(-1);
      assert.deepEqual([cursor >= id, channel_id, data], [true, channel, { type: 'pgevents.expired', data: { reason } }]);
    }
    assert.ok(Number(disconnected.objects.at(-1).cursor) >= id);
  });
}

test('heartbeats have the cursor, and come beside events', async () => {
  const channel = newChannel();
  const socket = await open(channel, { base: '/released' });
  const other = await database.publish(newChannel(), 'made', 1);
  await waitFor(() => socket.pings >= 2 && Number(socket.cursors.at(-1)) >= other, { what: 'heartbeats' });
  assert.equal(socket.cursors.length, socket.pings + 1);
  await socket.close();
});

const active = async () => Number((await request({ port: nginx.port, path: '/status' })).body
  .match(/Active connections: ([0-9]+)/)[1]);

test('a reader that pauses gets everything later, and is disconnected after send_timeout', async () => {
  const channel = newChannel();
  const sockets = await Promise.all(['/rt', '/slow'].map((base) => open(channel, { base })));
  const before = await active();
  for (const { socket } of sockets) socket.pause();
  for (let i = 0; i < 20; i++) {
    await database.query(`INSERT INTO pgevents.events (channel_id, data) SELECT $1,
      json_build_object('type', 'made', 'data', repeat(md5(n::text), 2000)) FROM generate_series(1, 20) n`, [channel]);
  }
  const log = await database.log({ channels: [channel] });
  await waitFor(async () => (await active()) < before, { what: 'the slow one to be disconnected' });
  for (const { socket } of sockets) socket.resume();
  assert.equal((await sockets[1].end()).code, 1006, 'without a close frame');
  assert.ok(sockets[1].events.length < 400);
  const rest = await open(channel, { query: `?last_event_id=${sockets[1].events.at(-1)?.id ?? sockets[1].cursors[0]}` });
  await rest.waitForEvents(400 - sockets[1].events.length);
  await sockets[0].waitForEvents(400);
  assertDelivered(sockets[0].received, log);
  const events = [...sockets[1].received.events, ...rest.received.events];
  assertDelivered({ events, describe: () => 'both', assertStrict: () => {} }, log);
  await Promise.all([sockets[0].close(), rest.close()]);
});

test('a reload ends WebSockets with a cursor and 1012, and their clients lose nothing', async () => {
  const channel = newChannel();
  const sockets = await Promise.all(range(1, 12).map((n) => open(channel,
    { base: n % 2 ? '/rt' : '/released', tls: n % 3 === 0 })));
  const stream = await new EventStream({ port: nginx.port, path: `/rt/events/${channel}` }).opened();
  for (const n of range(1, 5)) await database.publish(channel, 'made', { n });
  await Promise.all(sockets.map((socket) => socket.waitForEvents(5)));
  const old = await nginx.reload();
  for (const n of range(6, 9)) await database.publish(channel, 'made', { n });
  const log = await database.log({ channels: [channel] });
  for (const socket of sockets) {
    assert.deepEqual(await socket.end(), { code: 1012, reason: 'closing' });
    const cursor = socket.objects.at(-1).cursor;
    const next = await open(channel, { query: `?last_event_id=${cursor}` });
    await next.waitForEvents(log.filter(({ id }) => id > Number(cursor)).length);
    const events = [...socket.received.events, ...next.received.events];
    assertDelivered({ events, describe: () => 'both', assertStrict: () => {} }, log);
    await next.close();
  }
  await nginx.waitGone(old, 15_000);
  await stream.close();
});
