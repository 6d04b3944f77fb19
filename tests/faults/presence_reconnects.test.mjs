// Ordinary reconnections publish no disconnection: successive long polls, streams that reconnect, reloads of nginx, a
// restart, the switch to the fallback and back.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { keyFile, newRealm, setTimings } from '../lib/realm.mjs';
import { Poller } from '../lib/poller.mjs';
import { kModuleBase, startService } from './service.mjs';

const kUsers = 20;
const kGrace = 3000; // ms; a reconnection on a busy machine takes less
const kLease = 3000;
const kSwitched = 3500; // ms away from the module, and longer than the grace time

const file = keyFile();
const service = await startService({
  workers: 4, args: ['--jwt-key', file], allow: [kKilledWorker],
  location: `pgevents_jwt_key ${file}; pgevents_retry 200ms; pgevents_poll_interval 1s;`,
});
const { database, nginx } = service;
await setTimings(database, {
  presence_grace: `${kGrace} milliseconds`, presence_lease: `${kLease} milliseconds`, presence_ping_interval: '1 second',
  presence_flush_window: '50 milliseconds',
});
const ids = range(1, kUsers).map((n) => `user${n}`);
const realm = await newRealm(database, ...ids);

// Streams, long polls and short polls that reconnect like a browser's.
function connect(id, n) {
  const path = `${kModuleBase}/events/${realm.channel}`;
  const options = { port: service.port, path, headers: realm.headersOf(id), maxDelay: 1000 };
  if (n % 4 === 3) return new Poller({ ...options, cursor: 0, flavor: 'poll' });
  if (n % 2 === 1) return new Poller({ ...options, path: `${path}?timeout=1`, cursor: 0 });
  return new EventStream({ ...options, reconnect: true });
}

// [type, users] of the connection events after `cursor`.
const connectionEvents = async (cursor) => (await realm.log(cursor)).filter(({ type }) => type !== 'presence')
  .map(({ type, data }) => [type, JSON.parse(data).users]);

const clients = ids.map(connect);
after(() => Promise.all(clients.map((client) => client.close())));
// A stream has reconnected if it is open, a poll if it has been answered again.
function hasReconnected(client, since) {
  if (client.connections) return client.status === 200 && !client.connection.how;
  const { at, status } = client.answers.at(-1);
  return at > since && status === 200;
}

test('all users connect', async () => {
  await waitFor(async () => (await connectionEvents(0)).flatMap(([, users]) => users).length === kUsers,
    { what: 'all arrivals' });
});

let start;

// After `happens` every client reconnects, and until then no user was disconnected. What one test breaks may show in
// the next one.
async function assertNoDeparture(happens) {
  start ??= await database.head();
  await happens();
  const since = performance.now();
  await waitFor(() => clients.every((client) => hasReconnected(client, since)), { what: 'all reconnections' });
  assert.deepEqual(await connectionEvents(start), []);
}

test('successive long polls and short polls disconnect no user', () => assertNoDeparture(() => sleep(2000)));

test('three reloads disconnect no user', () => assertNoDeparture(async () => {
  for (const round of range(1, 3)) {
    const old = await nginx.reload();
    await nginx.waitGone(old, 10_000);
    await sleep(round * 200);
  }
}));

test('a killed worker, whose clients reconnect to others, disconnects no user', () => assertNoDeparture(async () => {
  const [victim] = nginx.workers();
  nginx.kill(victim);
  await waitFor(() => !nginx.workers().includes(victim) && nginx.workers().length === 4, { what: 'a new worker' });
}));

test('a restart disconnects no user', () => assertNoDeparture(async () => {
  await nginx.quit(10_000);
  await nginx.start();
  await service.waitAnsweredBy('module');
}));

test('streams that the server ends disconnect no user', () => assertNoDeparture(async () => {
  for (const id of ids) await database.query('SELECT pgevents.disconnect($1)', [id]);
}));

test('the switch to the fallback and back disconnects no user, for new requests', () => assertNoDeparture(async () => {
  service.switchModule(false);
  await sleep(kSwitched);
  service.switchModule(true);
}));

test('a configuration without the module, and with it again, disconnects no user', () => assertNoDeparture(async () => {
  for (const module of [false, true]) {
    const old = await nginx.reload((n) => service.http(n, { module }), { loadModule: module });
    await service.waitAnsweredBy(module ? 'module' : 'fallback');
    await nginx.waitGone(old, 10_000);
    await sleep(kSwitched);
  }
}));

test('afterwards, when every late disconnection would have been published, all users are connected', async () => {
  await sleep(kLease + kGrace + 2000);
  await assertNoDeparture(() => {});
  const connected = await database.value('SELECT count(*) FROM pgevents.presence WHERE is_connected AND realm = $1',
    [realm.name]);
  assert.equal(connected, kUsers);
});

test('when the users leave, each is disconnected once', async () => {
  const cursor = await database.head();
  await Promise.all(clients.map((client) => client.close()));
  const left = async () => (await connectionEvents(cursor)).flatMap(([, users]) => users);
  await waitFor(async () => (await left()).length >= kUsers, { what: 'all departures', timeout: 60_000 });
  const events = await connectionEvents(cursor);
  assert.ok(events.every(([type]) => type === 'pgevents.disconnected'));
  assert.deepEqual((await left()).sort(), [...ids].sort());
  await nginx.stop({ allow: [kKilledWorker] });
});
