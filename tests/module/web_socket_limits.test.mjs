// What one client may take of a worker through a WebSocket: the size and work of its messages, and their time.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { frame, handshake, jsonFrame, RawSocket, Socket } from '../lib/web_socket.mjs';

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);
const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({
  database, workers: 1,
  server: () => `
    location /brief/ { pgevents main; pgevents_subscribe "*"; client_body_timeout 2s; }
    location /slow/ { pgevents main; pgevents_subscribe "*"; pgevents_heartbeat 3s; send_timeout 60s; }
    location = /status { stub_status; }
    location /mute/ { pgevents main; pgevents_subscribe "*"; }
    location /users/ { pgevents main; pgevents_subscribe "*"; pgevents_jwt_key ${keyFile}; }`,
});
const { nginx } = server;

const where = (base, query = '') => ({ port: server.port, path: `${base}/events/${newChannel()}${query}` });
const open = (base, options = {}) => new Socket({ ...where(base), ...options }).opened();
const openRaw = (base, { query, headers, ...channel } = {}) =>
  new RawSocket({ ...where(base, query), headers, ...channel }).opened();
const replies = (socket) => socket.texts.filter(({ reply }) => reply !== undefined);
const kLarge = { publish: 'a', type: 'made', data: 'x'.repeat(100_000) };

test('only a client that may publish can send a message that is larger than a call', async () => {
  const publisher = await open('/rt');
  assert.equal((await publisher.ask(kLarge)).status, 201);
  await publisher.close();
  const mute = await open('/mute');
  mute.send({ request: 1, ...kLarge });
  assert.equal((await mute.end()).code, 1009);
  const bare = await openRaw('/rt', { query: '?envelope=0', headers: { 'Sec-WebSocket-Protocol': null } });
  bare.write(jsonFrame(kLarge));
  await waitFor(() => bare.closing, { what: 'the end of one whose messages have no effect' });
  assert.equal(bare.closing.code, 1009);
  bare.destroy();
});

test('a new token moves the limit', async () => {
  const token = (grants) => signToken({ sub: '7', iat: inSeconds(-5), exp: inSeconds(600), pgevents: grants }, { key });
  const socket = await open('/users', { headers: { Authorization: `Bearer ${token({})}` } });
  assert.equal((await socket.ask({ token: token({ publish: ['a'] }) })).status, 200);
  assert.equal((await socket.ask(kLarge)).status, 201);
  assert.equal((await socket.ask({ token: token({}) })).status, 200);
  socket.send({ request: 9, ...kLarge });
  assert.equal((await socket.end()).code, 1009);
});

test('a message of 2 MB that asks for too much is rejected, and the connection goes on', async () => {
  const socket = await open('/rt');
  const names = Array(250_000).fill('abc');
  const long = (part) => `/${part.repeat(Math.floor(1_000_000 / part.length))}`;
  const call = (target) => ({ call: { method: 'GET', path: target } });
  const cases = [
    [{ subscribe: names }, 'Too many channels (at most 64)'],
    [{ unsubscribe: names }, 'Too many channels (at most 64)'],
    [{ unsubscribe: ['a'.repeat(1_000_000)] }, "Member 'unsubscribe' is longer than 65536 bytes"],
    [call(long('/')), "Member 'path' is longer than 8192 bytes"],
    [call(long('%2F/../a')), "Member 'path' is longer than 8192 bytes"],
    [call(`/realm/presence?${long('a&')}`), "Member 'path' is longer than 8192 bytes"],
    [{ token: 'x'.repeat(1_000_000) }, "Member 'token' is longer than 65536 bytes"],
  ];
  for (const [message, wanted] of cases) {
    const { status, body } = await socket.ask(message);
    assert.deepEqual([status, body.msg], [400, wanted]);
  }
  assert.equal((await socket.ask({ subscribe: [newChannel()] })).status, 200);
  await socket.close();
});

// While the worker is stopped all messages of the one come, and then the ping of the other: the worker finds both
// connections ready. If it handled all that is there of the first one, almost all replies would be before the pong.
test('between two messages of one connection the others get their turn', async () => {
  const [pid] = await nginx.workers();
  const many = await openRaw('/rt');
  const other = await openRaw('/rt');
  const count = 60;
  const bytes = Buffer.concat(range(1, count).map((number) =>
    jsonFrame({ request: number, unsubscribe: Array(15_000).fill('a') })));
  let before;
  other.socket.on('data', () => {
    before ??= other.frames.some(({ opcode }) => opcode === 10) ? replies(many).length : undefined;
  });
  process.kill(pid, 'SIGSTOP');
  try {
    many.write(bytes);
    await waitFor(() => many.socket.writableLength === 0, { what: 'all messages on their way' });
    other.write(frame('', { opcode: 9 }));
    await sleep(50);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await waitFor(() => before !== undefined && replies(many).length === count, { what: 'all replies' });
  assert.ok(before < count / 2, `${before} of ${count} messages were answered before the other's ping`);
  many.destroy();
  other.destroy();
});

test('a message must be complete in its time, whatever comes between its fragments', async () => {
  const fragment = frame('{"request":1', { fin: false });
  for (const begun of [fragment, fragment.subarray(0, 1), fragment.subarray(0, 9)]) {
    const socket = await openRaw('/brief');
    const start = performance.now();
    socket.write(begun);
    const alive = setInterval(() => begun === fragment && !socket.over && socket.write(frame('', { opcode: 10 })), 300);
    await waitFor(() => socket.closing, { what: 'the end of an incomplete message' });
    clearInterval(alive);
    assert.deepEqual(socket.closing, { code: 1008, reason: 'message timeout' });
    assert.ok(performance.now() - start > 1900, 'it had its time');
    socket.destroy();
  }
});

test('one that sends message after message has its time for each', async () => {
  const socket = await openRaw('/brief');
  for (const number of range(1, 8)) {
    socket.write(frame(`{"request":${number},`, { fin: false }));
    await sleep(400);
    socket.write(frame('"unsubscribe":["a"]}', { opcode: 0 }), frame('', { opcode: 9 }));
    await waitFor(() => replies(socket).length === number, { what: `reply ${number}` });
  }
  assert.equal(socket.closing, undefined);
  socket.destroy();
});

test('methods of calls are those of HTTP; OPTIONS is not one of them', async () => {
  const headers = { Authorization: `Bearer ${signToken({ sub: '7', iat: inSeconds(-5), exp: inSeconds(600) }, { key })}` };
  const socket = await open('/users', { headers });
  const paths = ['/register', '/users/me/presence', '/users/7/presence', '/realm/presence', '/typing', '/settings', '/x'];
  for (const target of paths) {
    for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'OPTIONS', 'PUT', 'DELETE', 'X']) {
      const { status, body } = await socket.ask({ call: { method, path: target, body: {} } });
      const writes = ['POST', 'PATCH'].includes(method) && { body: '{}' };
      const http = await request({ port: server.port, path: `/users${target}`, method, headers, ...writes });
      const wanted = method === 'OPTIONS' && http.status === 204 ? 405 : http.status;
      assert.equal(status, wanted, `${method} ${target}: ${JSON.stringify(body)}`);
      if (method === 'HEAD' && status === 200) assert.equal(body, null);
    }
  }
  await socket.close();
});

test('JSON that is nested too deeply ends the connection and says so', async () => {
  const nested = (depth) => `{"request":1,"publish":"a","type":"t","data":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const socket = await open('/mute');
  socket.send(nested(998));
  assert.equal((await socket.reply(1)).status, 403);
  socket.send(nested(1001));
  assert.deepEqual(await socket.end(), { code: 1007, reason: 'not JSON, or nested too deeply' });
});

// It needs more than two heartbeats for the event, and sends nothing before it has the event.
test('a client on a slow link, whose ping stands behind a large event, gets the event and stays', async () => {
  const channel = newChannel();
  const client = spawn('python3', [path.join(import.meta.dirname, '../lib/narrow_client.py'), server.port, '0.1'],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  let received = '';
  client.stdout.on('data', (bytes) => (received += bytes.toString('latin1')));
  client.stdin.write(handshake(`/slow/events/${channel}`));
  await waitFor(() => received.includes('{"cursor":'), { what: 'the opening' });
  const start = performance.now();
  await database.publish(channel, 'made', `${'x'.repeat(400_000)}.`);
  await waitFor(() => received.includes('x."'), { what: 'the event', timeout: 60_000 });
  assert.ok(performance.now() - start > 7000, 'the link is slow');
  client.stdin.write(jsonFrame({ request: 1, unsubscribe: [channel] }));
  await waitFor(() => received.includes('{"reply":1,"status":200'), { what: 'a reply after the event' });
  client.kill();
});

test('a client that has stopped to take anything is disconnected, though much waits for it', async () => {
  const active = async () => Number((await request({ port: server.port, path: '/status' })).body
    .match(/Active connections: ([0-9]+)/)[1]);
  const channel = newChannel();
  const socket = await openRaw('/slow', { path: `/slow/events/${channel}` });
  const before = await active();
  socket.socket.pause();
  await database.publish(channel, 'made', 'x'.repeat(600_000));
  await waitFor(async () => await active() < before, { what: 'the end of the connection', timeout: 20_000 });
  socket.destroy();
});
