// Many publishers whose transactions overlap in every way, and many subscribers of every kind, some of which connect
// late.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertDelivered, expectedRows, judgeLog, summarise } from '../lib/checker.mjs';
import { sleep } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { Crowd, describeFigures, startFlow } from './crowd.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kSeconds = Number(process.env.PGEVENTS_RACE_SECONDS ?? 30);
const kChannels = ['cheese', 'wine', 'bread', 'butter', 'salt', 'honey'];
const service = await startService();
const { database } = service;

// One to three channels; for every fifth subscriber all of them.
function channelsFor(n, random) {
  if (n % 5 === 0) return kChannels;
  const first = Math.floor(random() * kChannels.length);
  return Array.from({ length: 1 + (n % 3) }, (_, i) => kChannels[(first + i) % kChannels.length]);
}

// The kinds of cursor that a client may have: 0, the end of the log, a moment ago, none (streams only).
async function cursorFor(n, mayBeNow) {
  switch (n % 4) {
    case 0:
      return 0;
    case 1:
      return database.head();
    case 2:
      return `rt-${(Date.now() / 1000 - 2).toFixed(6)}`;
    default:
      return mayBeNow ? undefined : database.head();
  }
}

const kKinds = [
  { count: 20, join: (crowd, channels, cursor) => crowd.stream(channels, { cursor }), mayBeNow: true },
  { count: 16, join: (crowd, channels, cursor) => crowd.poller(channels, { cursor }) },
  { count: 16, join: (crowd, channels, cursor) => crowd.webSocket(channels, { cursor }), mayBeNow: true },
  { count: 12, join: (crowd, channels, cursor) => crowd.stream(channels, { cursor, base: kFallbackBase }),
    mayBeNow: true },
  { count: 6, join: (crowd, channels, cursor) => crowd.poller(channels,
    { cursor, base: kFallbackBase, flavor: 'poll' }) },
  { count: 6, join: (crowd, channels, cursor) => crowd.poller(channels,
    { cursor, base: kModuleBase, flavor: 'poll' }) },
];

// Half of them connect at the beginning, the others one after the other.
async function gather(crowd, random) {
  const all = kKinds.flatMap((kind) => Array.from({ length: kind.count }, (_, n) => ({ ...kind, n })));
  const late = all.filter(({ n }) => n % 2 === 1);
  const comes = async ({ join, mayBeNow, n }) => join(crowd, channelsFor(n, random), await cursorFor(n >> 1, mayBeNow));
  for (const one of all.filter(({ n }) => n % 2 === 0)) await comes(one);
  return async () => {
    for (const one of late) {
      await sleep((0.8 * kSeconds * 1000) / late.length);
      await comes(one);
    }
  };
}

test(`20 publishers for ${kSeconds} s and 76 subscribers: each gets what was committed on its channels`, async (t) => {
  const crowd = new Crowd(service);
  const publishers = startFlow(database, { count: 20, channels: kChannels, sleepMs: [0, 50], pauseMs: [0, 5] });
  t.diagnostic(`seed ${publishers.seed}`);
  const ends_at = Date.now() + kSeconds * 1000;
  const theLate = await gather(crowd, randomSource(publishers.seed));
  await theLate();
  await sleep(Math.max(0, ends_at - Date.now()));
  const record = await publishers.stop();
  assert.deepEqual(publishers.failures, []);
  assert.equal(summarise(judgeLog(await database.log(), record)), '');
  assert.equal(crowd.members.length, 76);
  const rolled_back = record.rolledBack.length / (record.committed.length + record.rolledBack.length);
  assert.ok(rolled_back > 0.02 && rolled_back < 0.3, `${rolled_back}`);
  t.diagnostic(`${record.committed.length} transactions committed, ${record.rolledBack.length} rolled back`);
  t.diagnostic(describeFigures(await crowd.judge()));
});

// A client that connects with a cursor up to a few hundred events back and leaves soon must receive a run without a
// hole.
async function visit(random, log, channels) {
  const cursor = Math.max(1, log.last - Math.floor(random() * 300));
  const path = `${kModuleBase}/events/${channels.join(',')}`;
  const stream = new EventStream({ port: service.port, path, cursor });
  await stream.opened();
  await sleep(random() * 150);
  await stream.close();
  return { stream, channels, cursor };
}

test('hundreds of short visits with cursors within the ring, at any moment of a fast flow, receive a run without a hole', async (t) => {
  const options = { count: 12, channels: kChannels, sleepMs: [0, 0], pauseMs: [0, 10], perTransaction: [1, 3] };
  const flow = startFlow(database, options);
  const log = { last: await database.head() };
  const until = Date.now() + 8000;
  const visits = [];
  const visitors = Array.from({ length: 16 }, async (_, n) => {
    const random = randomSource(n);
    while (Date.now() < until) visits.push(await visit(random, log, channelsFor(n, random)));
  });
  while (Date.now() < until) {
    await sleep(50);
    log.last = await database.head();
  }
  await Promise.all(visitors);
  await flow.stop();
  const rows = await database.log();
  let events = 0;
  for (const { stream, channels, cursor } of visits) {
    const last = stream.events.at(-1)?.id ?? cursor;
    assertDelivered(stream, expectedRows(rows, { channels, after: cursor, until: last }));
    events += stream.events.length;
  }
  assert.ok(visits.length > 200 && events > 5000, `${visits.length} visits, ${events} events`);
  t.diagnostic(`${visits.length} visits, ${events} events, no hole, none twice`);
  await service.nginx.stop();
});
