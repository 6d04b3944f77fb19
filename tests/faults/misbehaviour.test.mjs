// Clients that misbehave while events flow to other clients: delivery to those goes on, workers' memory stays bounded,
// and no connection stays open.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { memoryOf } from '../lib/processes.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { memoryIsMeaningful, startService } from './service.mjs';

const kSlow = isTrial ? 2000 : 1000;
const kConnects = isTrial ? 10_000 : 2000;
const kEach = 50;
const kSpareSockets = isTrial ? 250 : 10; // connections of other clients, which also come and go
const kMegabytes = 40; // limit for a worker's growth; data in sockets is the kernel's
const service = await startService({
  workers: 2, behind: false, server: 'client_header_timeout 2s; client_body_timeout 2s;',
  location: 'pgevents_retry 300ms; pgevents_poll_interval 1s;',
});
const { nginx, port } = service;

const kStream = 'GET /rt/events/cheese HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n';
const kPoll = 'GET /rt/events/cheese HTTP/1.1\r\nHost: x\r\n\r\n';
const kBody = '{"type":"made","data":1}';
const kPublish = 'POST /rt/events/unread HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
  `Content-Length: ${kBody.length}\r\n\r\n${kBody}`;

function open(bytes, { read = true, allowHalfOpen = false } = {}) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen });
  socket.on('error', () => {});
  if (read) socket.resume();
  else socket.pause();
  if (bytes) socket.write(bytes);
  return socket;
}

const connected = (socket) => new Promise((resolve) => {
  socket.once('connect', resolve);
  socket.once('close', resolve);
});

const memory = () => nginx.workers().map((pid) => memoryOf(pid, 'Anonymous') / 1024);
const socketsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
  try {
    return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
  } catch {
    return false; // it has been closed meanwhile
  }
}).length;
const sockets = () => nginx.workers().reduce((sum, pid) => sum + socketsOf(pid), 0);

// Delivery to other clients goes on during `act`; afterwards memory is within its limit, and all opened connections are
// closed.
const scenario = scenariosOn(service);
const misbehaviour = (sentence, act) => scenario(sentence, async () => {
  const before = memory();
  const open_before = sockets();
  await act();
  const closed = () => sockets() <= open_before + kSpareSockets;
  await waitFor(closed, { what: () => `${sockets()} sockets, ${open_before} before`, interval: 50 });
  const grown = Math.max(...memory().map((now, i) => now - before[i]));
  if (memoryIsMeaningful(nginx.workers()[0])) assert.ok(grown < kMegabytes, `a worker grew by ${grown} MB`);
});

misbehaviour(`${kSlow} streams that no client reads`, async () => {
  const readers = [];
  for (const n of range(1, kSlow)) {
    readers.push(open(kStream, { read: false }));
    if (n % 100 === 0) await connected(readers.at(-1));
  }
  await sleep(3000);
  for (const socket of readers) socket.destroy();
});

const toClose = (socket, reset) => (reset ? socket.resetAndDestroy() : socket.destroy());

misbehaviour(`${kConnects} connections that come and go at once, up to 1,000 a second`, async () => {
  for (const round of range(1, kConnects / kEach)) {
    const next = performance.now() + kEach;
    const here = range(1, kEach).map((n) => open([kStream, kPoll, kPublish][(n + round) % 3]));
    await Promise.all(here.map(connected));
    for (const [n, socket] of here.entries()) toClose(socket, n % 2 === 0);
    await sleep(Math.max(0, next - performance.now()));
  }
});

misbehaviour('pipelined requests, for some of whose answers no client waits', async () => {
  const rows = [kPublish + kPoll.repeat(20), kPublish.repeat(20), kPublish + kStream + kPoll, `${kPoll}BROKEN\r\n\r\n`];
  const all = range(1, 200).map((n) => open(rows[n % 4], { read: n % 5 !== 0 }));
  await Promise.all(all.map(connected));
  await sleep(1000);
  for (const [n, socket] of all.entries()) toClose(socket, n % 2 === 0);
});

misbehaviour('requests that are cut at every byte, by end and by reset', async () => {
  for (const request of [kStream, kPoll, kPublish]) {
    const cuts = range(0, request.length).flatMap((length) => [false, true].map((reset) => ({ length, reset })));
    for (let from = 0; from < cuts.length; from += kEach) {
      await Promise.all(cuts.slice(from, from + kEach).map(async ({ length, reset }) => {
        const socket = open(request.slice(0, length));
        await connected(socket);
        await new Promise((resolve) => socket.write('', resolve));
        toClose(socket, reset);
      }));
    }
  }
});

misbehaviour('headers without an end, a byte now and then', async () => {
  const flood = `GET /rt/events/cheese HTTP/1.1\r\n${'X-Flood: 0123456789\r\n'.repeat(5000)}`;
  const floods = range(1, 50).map(() => open(flood));
  const slow = range(1, 100).map(() => open('GET /rt/events/cheese HTTP/1.1\r\nX-Slow: '));
  const bodies = range(1, 50).map(() => open(kPublish.slice(0, -10)));
  const all = [...floods, ...slow, ...bodies];
  const dripping = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write('x');
  }, 100);
  // nginx ends all of them, by its limit for headers and by its timeouts.
  const ended = () => all.every((socket) => socket.closed || socket.readableEnded);
  await waitFor(ended, { what: 'the end of all', timeout: 60_000, interval: 50 });
  clearInterval(dripping);
  for (const socket of all) socket.destroy();
});

misbehaviour('bodies over the limit', async () => {
  const head = `POST /rt/events/cheese HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n`;
  const all = range(1, 100).map(() => open(head + 'x'.repeat(100_000)));
  await waitFor(() => all.every((socket) => socket.closed || socket.readableEnded),
    { what: 'the rejection of all', timeout: 60_000 });
  for (const socket of all) socket.destroy();
});

misbehaviour('connections that are closed for writing after the request', async () => {
  const all = range(1, 200).map((n) => open([kStream, kPoll, kPublish][n % 3], { allowHalfOpen: true }));
  for (const socket of all) socket.end();
  await sleep(500);
  for (const socket of all) socket.destroy();
});

test('at the end the log is clean', () => nginx.stop());

test('HTTP/2: two thousand streams that are reset at once, and windows of one byte, cost no memory', async (t) => {
  const second = await startService({ workers: 1, fallback: false, listenFlags: 'http2' });
  const [worker] = second.nginx.workers();
  const session = () => {
    const made = http2.connect(`http://127.0.0.1:${second.port}`, { settings: { initialWindowSize: 1 } });
    made.on('error', () => {});
    return made;
  };
  const ask = (on) => {
    const stream = on.request({ ':path': '/rt/events/cheese', accept: 'text/event-stream' });
    stream.on('error', () => {});
    return stream;
  };
  const before = memoryOf(worker, 'Anonymous') / 1024;
  const narrow = range(1, 20).map(session);
  for (const one of narrow) for (const stream of range(1, 20).map(() => ask(one))) stream.pause();
  for (const round of range(1, 20)) {
    const one = session();
    for (const stream of range(1, 100).map(() => ask(one))) stream.close(http2.constants.NGHTTP2_CANCEL);
    await second.database.publish('cheese', 'made', round);
    await new Promise((resolve) => one.close(resolve) ?? setTimeout(resolve, 50));
    one.destroy();
  }
  assert.deepEqual(second.nginx.workers(), [worker], 'the worker still runs');
  const fresh = http2.connect(`http://127.0.0.1:${second.port}`);
  const answer = fresh.request({ ':path': '/rt/events/cheese?flavor=poll', 'last-event-id': '0' });
  let body = '';
  answer.setEncoding('utf8').on('data', (text) => (body += text));
  await new Promise((resolve) => answer.on('end', resolve));
  assert.equal(JSON.parse(body).length, 20);
  fresh.destroy();
  for (const one of narrow) one.destroy();
  const grown = memoryOf(worker, 'Anonymous') / 1024 - before;
  t.diagnostic(`the worker grew by ${grown.toFixed(1)} MB`);
  if (memoryIsMeaningful(worker)) assert.ok(grown < kMegabytes, `${grown} MB`);
  await second.nginx.stop();
});
