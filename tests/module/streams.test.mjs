// Live event streams: a frame for each committed event, heartbeats, slow readers, and the end of a stream at a reload.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered, expectedRows } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { rawExchange } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { formatTs, streamCursor, streamFrame } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({ database, workers: 4 });
const brisk = await startModuleServer({ database, location: 'pgevents_heartbeat 1s; pgevents_retry 1234ms;' });

test('an event reaches an open stream in one frame, soon after its commit', async () => {
  const channel = newChannel();
  const stream = await server.stream(channel).opened();
  const delays = [];
  for (const n of range(1, 20)) {
    await database.query('SELECT pgevents.publish($1, $2, $3)', [channel, 'made', JSON.stringify({ n })]);
    const committed = performance.now();
    await stream.waitForEvents(n);
    delays.push(stream.events.at(-1).at - committed);
  }
  await stream.close();
  const rows = await database.log({ channels: [channel] });
  assertDelivered(stream, rows);
  assert.equal(stream.events[0].raw.toString(), streamFrame(rows[0]));
  delays.sort((a, b) => a - b);
  assert.ok(delays[10] < 500, `median ${delays[10]} ms`);
});

test('subscribers of all workers receive the same events in the same order', async () => {
  const channel = newChannel();
  const streams = range(1, 40).map(() => server.stream(channel));
  await Promise.all(streams.map((stream) => stream.opened()));
  const workers = new Set(streams.map((stream) => stream.connection.headers['x-worker']));
  assert.ok(workers.size > 1, `${workers.size} workers`);
  for (const n of range(1, 50)) await database.publish(channel, 'made', { n });
  await Promise.all(streams.map((stream) => stream.waitForEvents(50)));
  await Promise.all(streams.map((stream) => stream.close()));
  const rows = await database.log({ channels: [channel] });
  for (const stream of streams) assertDelivered(stream, rows);
});

test('filters, envelopes and channel lists apply to live events', async () => {
  const [a, b, other] = [newChannel(), newChannel(), newChannel()];
  const typed = await server.stream(a, { query: { types: 'made' } }).opened();
  const untyped = await server.stream(a, { query: { not_types: 'made' } }).opened();
  const both = await server.stream(`${a},${b}`, { query: { envelope: '1' } }).opened();
  const { cursor } = both;
  const plan = [[a, 'made'], [a, 'typing'], [other, 'made'], [b, 'made'], [a, 'sold'], [b, 'typing'], [a, 'made'],
    [a, 'end']];
  for (const [channel, type] of plan) await database.publish(channel, type, { channel });
  await untyped.waitForEvents(3);
  await both.waitForEvents(7);
  await typed.waitForEvents(2);
  const log = await database.log({ after: Number(cursor) });
  for (const [stream, wanted] of [
    [typed, { channels: [a], types: ['made'] }], [untyped, { channels: [a], not_types: ['made'] }], [both, { channels: [a, b] }]]) {
    await stream.close();
    assertDelivered(stream, expectedRows(log, wanted));
  }
});

test('clients that connect later with an id or a time continue into the live events', async () => {
  const channel = newChannel();
  for (const n of range(1, 10)) await database.publish(channel, 'made', { n });
  const early = await database.log({ channels: [channel] });
  const by_id = server.stream(channel, { cursor: early[3].id });
  const by_time = server.stream(channel, { cursor: `rt-${formatTs(early[6].ts_us)}` });
  const from_start = server.stream(channel, { cursor: 0 });
  const now = server.stream(channel);
  await Promise.all([by_id, by_time, from_start, now].map((stream) => stream.opened()));
  for (const n of range(11, 20)) await database.publish(channel, 'made', { n });
  const log = await database.log({ channels: [channel] });
  for (const [stream, rows] of [[by_id, log.slice(4)], [by_time, log.slice(7)], [from_start, log], [now, log.slice(10)]]) {
    await stream.waitForEvents(rows.length);
    await stream.close();
    assertDelivered(stream, rows);
  }
});

test('an expiring event reaches connected clients, and not clients that connect after its expiry', async () => {
  const channel = newChannel();
  const live = await server.stream(channel).opened();
  await database.publish(channel, 'typing', 1, { ttl: '300 milliseconds' });
  await live.waitForEvents(1);
  await sleep(400);
  const last = await database.publish(channel, 'made', 2);
  const late = server.stream(channel, { cursor: 0 });
  await late.waitForEvents(1);
  await live.waitForEvents(2);
  assert.deepEqual(late.events.map(({ id }) => id), [last]);
  assert.deepEqual(live.events.map(({ type }) => type), ['typing', 'made']);
  await Promise.all([live.close(), late.close()]);
});

test('events that are rolled back are never delivered', async () => {
  const channel = newChannel();
  const stream = await server.stream(channel).opened();
  const client = await database.connect();
  await client.query('BEGIN');
  await client.query('SELECT pgevents.publish($1, $2, $3)', [channel, 'ghost', '1']);
  await client.query('ROLLBACK');
  await client.end();
  const id = await database.publish(channel, 'made', 1);
  await stream.waitForEvents(1);
  await stream.close();
  assert.deepEqual(stream.events.map((event) => event.id), [id]);
});

test('a quiet stream has heartbeats, which carry the cursor when it has moved', async () => {
  const stream = await brisk.stream(newChannel()).opened();
  await stream.waitForBlock((block) => block.kind === 'heartbeat' && block.raw.toString() === ':\n\n');
  const id = await database.publish('elsewhere', 'made', null);
  await stream.waitForBlock((block) => block.kind === 'heartbeat' && block.raw.toString() === `:\n${streamCursor(id)}`);
  assert.equal(stream.cursor, String(id));
  const seen = stream.blocks.length;
  await waitFor(() => stream.blocks.length > seen, { what: 'another heartbeat' });
  assert.equal(stream.blocks.at(-1).raw.toString(), ':\n\n');
  await stream.close();
  stream.assertStrict();
});

test('a busy stream has no heartbeats between events', async () => {
  const channel = newChannel();
  const stream = await brisk.stream(channel).opened();
  for (const n of range(1, 12)) {
    await database.publish(channel, 'made', { n });
    await sleep(200);
  }
  await stream.waitForEvents(12);
  await stream.close();
  const gaps = stream.blocks.slice(1).filter((block) => block.kind === 'heartbeat').length;
  assert.ok(gaps <= 2, `${gaps} heartbeats`);
});

test('a stream sends the time of pgevents_retry', async () => {
  const stream = await brisk.stream(newChannel()).opened();
  assert.equal(stream.opening.retry, 1234);
  await stream.close();
});

test('HTTP/1.0 clients receive live events', async () => {
  const channel = newChannel();
  const text = `GET /rt/events/${channel} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n`;
  let published;
  const until = (bytes) => {
    if (bytes.includes('retry:')) published ??= database.publish(channel, 'made', { n: 1 });
    return bytes.includes('"n":1');
  };
  const bytes = (await rawExchange({ port: server.port }, text, { until })).toString();
  assert.ok(bytes.endsWith(`event: made\ndata: {"n":1}\nid: ${await published}\n\n`), bytes);
  assert.doesNotMatch(bytes, /chunked/i);
});

test('a reader that pauses while the ring is overwritten receives all events afterwards', async () => {
  const channel = newChannel();
  const stream = await server.stream(channel).opened();
  const quick = await server.stream(channel).opened();
  stream.pause();
  const insert = `INSERT INTO pgevents.events (channel_id, data)
    SELECT $1, json_build_object('type', 'made', 'data', repeat(md5(n::text), 2000)) FROM generate_series(1, 20) n`;
  for (let i = 0; i < 10; i++) await database.query(insert, [channel]);
  await quick.waitForEvents(200, 60_000);
  stream.resume();
  await stream.waitForEvents(200, 60_000);
  const rows = await database.log({ channels: [channel] });
  for (const client of [stream, quick]) {
    await client.close();
    assertDelivered(client, rows);
  }
});

test('a reload ends streams with a jittered retry, and their clients lose nothing', async () => {
  const channel = newChannel();
  const streams = range(1, 20).map(() => server.stream(channel, { reconnect: true, maxDelay: 300 }));
  await Promise.all(streams.map((stream) => stream.opened()));
  for (const n of range(1, 5)) await database.publish(channel, 'made', { n });
  const old = await server.nginx.reload();
  for (const n of range(6, 10)) await database.publish(channel, 'made', { n });
  await server.nginx.waitGone(old, 10_000);
  for (const n of range(11, 15)) await database.publish(channel, 'made', { n });
  await Promise.all(streams.map((stream) => stream.waitForEvents(15)));
  await Promise.all(streams.map((stream) => stream.close()));
  const rows = await database.log({ channels: [channel] });
  for (const stream of streams) {
    assertDelivered(stream, rows);
    assert.equal(stream.connections[0].how, 'end');
    const closing = stream.blocks.find((block) => block.kind === 'closing');
    assert.ok(closing.retry >= 2000 && closing.retry <= 4000, `retry ${closing.retry}`);
  }
  const retries = streams.map((stream) => stream.blocks.find((block) => block.kind === 'closing').retry);
  assert.ok(new Set(retries).size > 10, `retries ${retries}`);
});
