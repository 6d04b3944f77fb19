// HTTP/2 (without TLS, with prior knowledge) under faults: streams share a connection, with windows and a queue of
// their own, and an old worker exits only when the client has been asked to open a new connection.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { test } from 'node:test';

import { judge, summarise } from '../lib/checker.mjs';
import { range, sleep, waitFor, within } from '../lib/conditions.mjs';
import { memoryOf } from '../lib/processes.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { memoryIsMeaningful, startService } from './service.mjs';

const service = await startService({ fallback: false, workers: 1, ring: '1m', listenFlags: 'http2' });
const { nginx, database } = service;

function connect() {
  const session = http2.connect(`http://127.0.0.1:${service.port}`, { settings: { initialWindowSize: 65535 } });
  session.on('error', () => {});
  return session;
}

// Opens an event stream on its own connection; `read` starts reading at once.
async function open({ cursor, read = true, session = connect() } = {}) {
  const headers = { ':path': '/rt/events/cheese', accept: 'text/event-stream' };
  const stream = session.request(cursor === undefined ? headers : { ...headers, 'last-event-id': String(cursor) });
  const client = { session, stream, events: [], violations: [], goaway: false, ended: false };
  const parser = new StreamParser({ onBlock: (block) => block.kind === 'event' && client.events.push(block) });
  client.violations = parser.violations;
  stream.on('error', () => {});
  stream.on('end', () => (client.ended = true));
  session.on('goaway', () => (client.goaway = true));
  client.read = () => stream.on('data', (chunk) => parser.push(chunk));
  await within(new Promise((resolve) => stream.once('response', resolve)), 10_000, 'response headers');
  if (read) client.read();
  return client;
}

const burst = (count, bytes) => database.query(
  `SELECT count(pgevents.publish('cheese', 'made', json_build_object('n', n, 'padding', repeat('x', $2::int))))
     FROM generate_series(1, $1::int) n`, [count, bytes]);

const gets = (client, count) =>
  waitFor(() => client.events.length >= count,
    { what: () => `${client.events.length} of ${count} events`, interval: 2 });

test('a stream that is not read costs no memory and is resumed; a long-lived one does not grow', async (t) => {
  const [worker] = nginx.workers();
  const cursor = await database.head();
  const fast = await open({ cursor });
  const slow = await open({ cursor, read: false });
  await burst(500, 1000);
  await gets(fast, 500);
  const before = memoryOf(worker, 'Anonymous');
  for (const round of range(1, 60)) {
    await burst(50, 10_000);
    await gets(fast, 500 + 50 * round);
  }
  for (const round of range(1, 400)) {
    await burst(10, 10);
    await gets(fast, 3500 + 10 * round);
  }
  const grown = (memoryOf(worker, 'Anonymous') - before) / 1024;
  slow.read();
  await gets(slow, 7500);
  const log = await database.log({ after: cursor });
  for (const client of [fast, slow]) {
    assert.equal(summarise(judge(client.events, log)), '');
    assert.deepEqual(client.violations, []);
    client.session.destroy();
  }
  t.diagnostic(`the worker grew by ${grown.toFixed(1)} MB while 30 MB and then 400 small blocks passed`);
  if (memoryIsMeaningful(worker)) assert.ok(grown < 6, `${grown} MB`);
});

test('a reload asks every client to use a new connection, and the old worker exits within 5 s', async (t) => {
  const clients = await Promise.all(range(1, 10).map(() => open()));
  const started = performance.now();
  const old = await nginx.reload();
  await waitFor(() => clients.every(({ ended, goaway }) => ended && goaway),
    { what: 'all ended, with GOAWAY', timeout: 5000 });
  await nginx.waitGone(old, 5000);
  t.diagnostic(`old worker gone ${Math.round(performance.now() - started)} ms after the reload`);
  for (const { session } of clients) session.destroy();
});

test('a reload does so even if some clients do not read', async (t) => {
  const clients = await Promise.all(range(1, 6).map((n) => open({ cursor: 0, read: n % 2 === 0 })));
  await burst(100, 10_000);
  await sleep(200);
  const started = performance.now();
  const old = await nginx.reload();
  await nginx.waitGone(old, 6000);
  t.diagnostic(`old worker gone ${Math.round(performance.now() - started)} ms after the reload`);
  for (const { session } of clients) session.destroy();
});

// When a worker starts to leave, nginx sends GOAWAY on existing HTTP/2 connections; this one becomes one afterwards.
test('a connection that starts HTTP/2 when its worker is leaving gets GOAWAY with the first answer', async () => {
  const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
  const [worker] = nginx.workers();
  const before = descriptors(worker);
  const socket = net.connect(service.port, '127.0.0.1');
  await waitFor(() => descriptors(worker) > before, { what: 'the accepted connection' });
  const old = await nginx.reload();
  assert.deepEqual(old, [worker]);
  await waitFor(() => nginx.logText().includes(`${worker}#${worker}: gracefully shutting down`),
    { what: 'the leaving worker' });
  const session = http2.connect('http://127.0.0.1', { createConnection: () => socket });
  session.on('error', () => {});
  const goaway = new Promise((resolve) => session.once('goaway', resolve));
  const stream = session.request({ ':path': '/rt/events/cheese?flavor=long-poll' });
  let body = '';
  stream.setEncoding('utf8').on('data', (text) => (body += text));
  await within(new Promise((resolve) => stream.once('end', resolve)), 10_000, 'the answer');
  assert.equal(body, '[]');
  await within(goaway, 2000, 'GOAWAY');
  await nginx.waitGone(old, 5000);
  session.destroy();
});

test('streams that are reset with frames in the queue, right before reloads, have no effect', async () => {
  for (const round of range(1, 6)) {
    const clients = await Promise.all(range(1, 8).map(() => open({ cursor: 0, read: false })));
    await burst(30, 20_000);
    for (const { stream } of clients.slice(0, 4)) stream.close(http2.constants.NGHTTP2_CANCEL);
    const old = await nginx.reload();
    await sleep(20 * round);
    for (const { session } of clients) session.destroy();
    await nginx.waitGone(old, 10_000);
  }
  nginx.assertCleanLog();
});

test('many streams on one connection receive everything once when some others are cancelled', async () => {
  const session = connect();
  session.setMaxListeners(100);
  const cursor = await database.head();
  const clients = await Promise.all(range(1, 40).map(() => open({ session, cursor })));
  const cancelled = clients.slice(15, 25);
  for (const { stream } of cancelled) {
    await burst(20, 100);
    stream.close(http2.constants.NGHTTP2_CANCEL);
  }
  const log = await database.log({ after: cursor });
  for (const client of clients.filter((one) => !cancelled.includes(one))) {
    await gets(client, 200);
    assert.equal(summarise(judge(client.events, log)), '');
    assert.deepEqual(client.violations, []);
  }
  session.destroy();
  await nginx.stop();
});
