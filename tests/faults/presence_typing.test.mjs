// Typing that has expired: it is never replayed, and it is no gap. Neither from the ring nor from the log, neither before it is
// pruned nor after, to whatever client comes back with an old cursor.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, waitFor } from '../lib/conditions.mjs';
import { assertSuccess, keyFile, kNobody, newRealm, serverAt, setTimings } from '../lib/people.mjs';
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

// Everybody types, in conversations and in the stream, through module and fallback; something lasting is said in between.
async function talk() {
  for (const round of range(1, kRounds)) {
    await Promise.all(ids.map((id, n) => {
      const person = realm.person(serverAt(service.port, n % 2 ? kModuleBase : kFallbackBase), id);
      const where = round % 2 ? { type: 'stream', stream_id: '7', topic: 'x' } : { to: [ids[(n + 1) % kTypists]] };
      return person.type({ op: round % 3 ? 'start' : 'stop', ...where }).then(assertSuccess);
    }));
    await database.publish(channels[round % channels.length], 'said', { round });
  }
}

const lasting = async (cursor) => (await database.log({ after: cursor })).filter(({ type }) => type === 'said');

async function expired(cursor) {
  const rows = () => database.log({ after: cursor });
  await waitFor(async () => (await rows()).every(({ type, ttl_ms }) => type !== 'typing' || ttl_ms <= 0), { what: 'the expiry' });
}

// Clients of every kind who were away since `cursor` get what lasts, and nothing else.
async function assertNoReplay(t, cursor) {
  const crowd = new Crowd(service);
  for (const list of [channels, ['stream:7'], channels.slice(1)]) {
    const options = { cursor, headers: kNobody };
    crowd.stream(list, options);
    crowd.poller(list, options);
    crowd.stream(list, { ...options, base: '/fb' });
    crowd.poller(list, { ...options, base: '/fb', flavor: 'poll' });
  }
  await crowd.opened();
  const figures = await crowd.judge({ log: await lasting(cursor) }); // a reset is foreign, as is any typing
  t.diagnostic(describeFigures(figures));
}

test('to clients that come back while the ring still has it', async (t) => {
  const cursor = await database.head();
  await talk();
  await expired(cursor);
  await assertNoReplay(t, cursor);
});

test('to clients whose cursor the ring no longer covers', async (t) => {
  const cursor = await database.head();
  await talk();
  for (const n of range(1, 40)) await database.publish('elsewhere', 'made', 'x'.repeat(60_000) + n);
  await expired(cursor);
  await assertNoReplay(t, cursor);
});

test('to clients that come when it has been pruned', async (t) => {
  const cursor = await database.head();
  await talk();
  await expired(cursor);
  await database.query('SELECT pgevents.prune(100000)');
  const left = (await database.log({ after: cursor })).filter(({ type }) => type === 'typing').length;
  assert.ok(left <= 1, `${left} left`);
  await assertNoReplay(t, cursor);
  await assertNoReplay(t, 1);
});

test('to whoever is there it comes, each once', async (t) => {
  const cursor = await database.head();
  const crowd = new Crowd(service);
  for (const base of ['/rt', '/fb']) {
    crowd.stream(channels, { cursor, base, headers: kNobody });
    crowd.poller(channels, { cursor, base, headers: kNobody, maxDelay: 100 });
  }
  await crowd.opened();
  await setTimings(database, { typing_started_expiry: '45 seconds' });
  await talk();
  t.diagnostic(describeFigures(await crowd.judge()));
  await nginx.stop();
});
