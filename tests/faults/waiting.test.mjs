// Many streams come while the database is away, each with a different cursor, so that no two can share a query. They
// cost no connection to the database, and are served later within the pool and its queue, which other requests use
// meanwhile. PGEVENTS_WAITING=10000 opens more of them.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { judge, summarise } from '../lib/checker.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { StreamParser } from '../lib/stream_parser.mjs';
import { startService } from './service.mjs';

const kStreams = Number(process.env.PGEVENTS_WAITING ?? 3000);
const kWorkers = 4;
const kConnections = 2; // of each worker
const kAtOnce = 200;
const kEvents = 10;
const kPublications = 200;

const cluster = await startCluster({ tcp: true });
const proxy = await startProxy(cluster.port);

async function createDatabase() {
  const made = await cluster.createDatabase();
  made.conninfo = () => `host=127.0.0.1 port=${proxy.port} dbname=${made.name} user=${kServerUser}`;
  return made;
}

const service = await startService({
  cluster: { createDatabase }, workers: kWorkers, fallback: false, parameters: `connections=${kConnections}`,
  location: 'pgevents_release_request on;',
});
const { nginx, database } = service;

// The body without the chunked framing around each block.
const bodyOf = (text) => text.slice(text.indexOf('\r\n\r\n') + 4).replace(/(^|\r\n)[0-9a-f]+\r\n/g, '');

function open(cursor) {
  const stream = { cursor, chunks: [], closed: false };
  stream.socket = net.connect({ port: service.port, host: '127.0.0.1' });
  stream.socket.on('data', (chunk) => stream.chunks.push(chunk));
  stream.socket.on('close', () => (stream.closed = true));
  stream.socket.on('error', () => {});
  stream.socket.write(`GET /rt/events/cheese HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: ${cursor}\r\n\r\n`);
  stream.text = () => Buffer.concat(stream.chunks).toString('latin1');
  return stream;
}

async function openAll(start_us) {
  const streams = [];
  atEnd(() => streams.forEach(({ socket }) => socket.destroy()));
  for (const n of range(1, kStreams)) {
    streams.push(open(`rt-${((start_us + n) / 1e6).toFixed(6)}`));
    if (n % kAtOnce === 0) await waitFor(() => streams.at(-1).chunks.length > 0, { what: 'an answer' });
  }
  await waitFor(() => streams.every(({ chunks }) => chunks.length > 0), { what: 'all answers', timeout: 60_000 });
  return streams;
}

// A stream received its opening, and exactly these rows.
function assertServed(stream, rows) {
  const blocks = [];
  const parser = new StreamParser({ onBlock: (block) => blocks.push(block) });
  const text = stream.text();
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  parser.push(Buffer.from(bodyOf(text), 'latin1'));
  assert.deepEqual(parser.violations, []);
  assert.deepEqual([blocks[0].kind, blocks[0].id], ['waiting', stream.cursor]);
  assert.equal(summarise(judge(blocks.filter(({ kind }) => kind === 'event'), rows)), '');
}

test(`${kStreams} streams with different cursors wait without a connection to the database, and are all served later`, async (t) => {
  const start_us = Date.now() * 1000;
  for (const n of range(1, kEvents)) await database.publish('cheese', 'made', n);
  await service.poll('cheese', { cursor: 0 });
  proxy.cut();
  await service.waitAnsweredBy(503);
  const tried = proxy.tried;
  const cut_at = Date.now();
  const streams = await openAll(start_us - kStreams - 1_000_000);
  const publish = () => request({
    port: service.port, path: '/rt/events/cheese', method: 'POST', body: '{"type":"made"}',
    headers: { 'Content-Type': 'application/json' },
  });
  for (let n = 0; n < kPublications; n++) assert.equal((await publish()).status, 503);
  await sleep(1000);
  const tries = proxy.tried - tried;
  const seconds = (Date.now() - cut_at) / 1000;
  t.diagnostic(`${kStreams} streams were open after ${(seconds - 1).toFixed(1)} s; ${tries} connections were tried in ${seconds.toFixed(1)} s`);
  // The listener pauses for up to 2 s; for publications each worker's pool tries once a second.
  assert.ok(tries <= 5 + 2 * seconds + kWorkers * kConnections * (seconds + 1), `${tries} tries`);

  const last = await database.publish('cheese', 'made', 'last');
  const started = performance.now();
  proxy.mend();
  await service.waitAnsweredBy('module');
  const mended = performance.now();
  const statuses = [];
  const sessions = [];
  const isServed = (stream) => stream.served ||= stream.text().includes(`\nid: ${last}\n`);
  await waitFor(async () => {
    statuses.push((await service.poll('cheese', { cursor: 'rt-1' })).status);
    sessions.push(await database.value('SELECT count(*) FROM pg_stat_activity WHERE usename = $1', [kServerUser]));
    return streams.every(isServed);
  }, { what: () => `all streams served, ${streams.filter(isServed).length} so far`, timeout: 60_000, interval: 20 });
  const took = Math.round(performance.now() - mended);
  t.diagnostic(`the module served ${Math.round(mended - started)} ms after the database was back; all streams ${took} ms later; ` +
    `${Math.max(...sessions)} sessions, ${statuses.length} polls meanwhile`);
  assert.ok(Math.max(...sessions) <= kWorkers * kConnections + 1, `${Math.max(...sessions)} sessions`);
  assert.deepEqual(statuses.filter((status) => status !== 200), []);

  const rows = (await database.log({ channels: ['cheese'] })).filter(({ ts_us }) => ts_us > start_us - 1_000_000);
  assert.equal(rows.length, kEvents + 1);
  for (const stream of streams) assertServed(stream, rows);
  assert.ok(streams.every(({ closed }) => !closed));
  streams.forEach(({ socket }) => socket.destroy());
  nginx.assertCleanLog();
});

test('at the end the log is clean', () => nginx.stop());
