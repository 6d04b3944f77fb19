// Expired typing is never replayed, and is not a gap: neither from the ring nor from the log, before and after pruning,
// to any client that reconnects with an old cursor.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, waitFor } from '../lib/conditions.mjs';
import { assertSuccess, keyFile, kNoUser, newRealm, serverAt, setTimings } from '../lib/realm.mjs';
import { Crowd, describeFigures } from './crowd.mjs';
import { kFallbackBase, kModuleBase, startService } from './service.mjs';

const kTypists = 8;
const kRounds = 25;
const kExpiry = 1500; // ms

const file = keyFile();
const service = await startService({
  workers: 2, ring: '1m', args: ['--jwt-key', file],
  location: `pgevents_jwt_key ${file}; pgevents_retry 300ms; pgevents_poll_interval 1s;`,
});
const { database, nginx } = service;
await setTimings(database, { typing_started_expiry: `${kExpiry} milliseconds` });
const ids = range(1, kTypists).map((n) => `typist${n}`);
const realm = await newRealm(database, ...ids);
await realm.addStream('7', { members: ids });
const channels = ['stream:7', ...ids.map((id) => realm.userChannel(id))];

// All users type, in conversations and in the stream, through module and fallback; lasting events are published in
// between.
async function talk() {
  for (const round of range(1, kRounds)) {
    await Promise.all(ids.map((id, n) => {
      const user = realm.user(serverAt(service.port, n % 2 ? kModuleBase : kFallbackBase), id);
      const where = round % 2 ? { type: 'stream', stream_id: '7', topic: 'x' } : { to: [ids[(n + 1) % kTypists]] };
      return user.type({ op: round % 3 ? 'start' : 'stop', ...where }).then(assertSuccess);
    }));
    await database.publish(channels[round % channels.length], 'said', { round });
  }
}

const lasting = async (cursor) => (await database.log({ after: cursor })).filter(({ type }) => type === 'said');

async function expired(cursor) {
  const rows = () => database.log({ after: cursor });
  await waitFor(async () => (await rows()).every(({ type, ttl_ms }) => type !== 'typing' || ttl_ms <= 0),
    { what: 'the expiry' });
}

// Clients of every kind that were away since `cursor` receive the lasting events, and no others.
async function assertNoReplay(t, cursor) {
  const crowd = new Crowd(service);
  for (const list of [channels, ['stream:7'], channels.slice(1)]) {
    const options = { cursor, headers: kNoUser };
    crowd.stream(list, options);
    crowd.poller(list, options);
    crowd.stream(list, { ...options, base: '/fb' });
    crowd.poller(list, { ...options, base: '/fb', flavor: 'poll' });
  }
  await crowd.opened();
  const figures = await crowd.judge({ log: await lasting(cursor) }); // a reset is foreign, and so is any typing event
  t.diagnostic(describeFigures(figures));
}

test('expired typing is not replayed from the ring', async (t) => {
  const cursor = await database.head();
  await talk();
  await expired(cursor);
  await assertNoReplay(t, cursor);
});

test('expired typing is not replayed to clients whose cursor the ring no longer covers', async (t) => {
  const cursor = await database.head();
  await talk();
  for (const n of range(1, 40)) await database.publish('elsewhere', 'made', 'x'.repeat(60_000) + n);
  await expired(cursor);
  await assertNoReplay(t, cursor);
});

test('expired typing is not replayed after pruning', async (t) => {
  const cursor = await database.head();
  await talk();
  await expired(cursor);
  await database.query('SELECT pgevents.prune(100000)');
  const left = (await database.log({ after: cursor })).filter(({ type }) => type === 'typing').length;
  assert.ok(left <= 1, `${left} left`);
  await assertNoReplay(t, cursor);
  await assertNoReplay(t, 1);
});

test('typing reaches connected clients, each once', async (t) => {
  const cursor = await database.head();
  const crowd = new Crowd(service);
  for (const base of ['/rt', '/fb']) {
    crowd.stream(channels, { cursor, base, headers: kNoUser });
    crowd.poller(channels, { cursor, base, headers: kNoUser, maxDelay: 100 });
  }
  await crowd.opened();
  await setTimings(database, { typing_started_expiry: '45 seconds' });
  await talk();
  t.diagnostic(describeFigures(await crowd.judge()));
  await nginx.stop();
});
