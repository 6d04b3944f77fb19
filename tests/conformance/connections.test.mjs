// Connections count as contact, and are published: when a user connects, and when a user has been away for the grace
// time. The module reports the connections that it holds; in the fallback a poll counts until the next one is overdue.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach, kBase } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { assertSuccess, kNoUser, newRealm, setTimings, startWithUsers } from '../lib/realm.mjs';
import { Poller } from '../lib/poller.mjs';

const kGrace = 5; // s
const kLease = 8;
const kPing = 1.0;
const kPollInterval = 1; // s, of the fallback
const kSlow = 10; // s of delay that a busy machine may add

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithUsers({ database, limits: { pollInterval: kPollInterval } });
await setTimings(database, {
  presence_grace: `${kGrace} seconds`, presence_lease: `${kLease} seconds`, presence_ping_interval: `${kPing} seconds`,
  presence_offline_threshold: '3 seconds', presence_flush_window: '10 milliseconds',
});

const eventsOf = (events, type, id) => events.filter((event) => event.type === type && event.data.users.includes(id));

forEach(backends, (backend) => {
  // How long a connection counts after its last request.
  const lasts = backend.name === 'module' ? 0 : kPollInterval;

  const stream = (realm, id, options = {}) => new EventStream({
    port: backend.port, path: `${kBase}/events/${realm.channel}`, headers: id ? realm.headersOf(id) : kNoUser,
    reconnect: backend.differs.streamEnds, ...options,
  });
  const poller = (realm, id, { flavor = 'long-poll', timeout = '30' } = {}) => new Poller({
    port: backend.port, path: `${kBase}/events/${realm.channel}?timeout=${timeout}`,
    headers: realm.headersOf(id), flavor, cursor: 0,
  });
  const kinds = { 'a stream': stream, 'a long poll': poller };

  for (const [what, connect] of Object.entries(kinds)) {
    test(`${what} connects a user and counts as contact; the grace time after its end the user is disconnected`, async () => {
      const realm = await newRealm(database, '10', '11');
      const observer = await realm.observer(backend);
      const client = connect(realm, '10');
      const came = await observer.about('10', 'pgevents.connected');
      const [{ data }] = eventsOf(came, 'pgevents.connected', '10');
      assert.deepEqual(data.users, ['10']);
      assert.ok(Math.abs(data.server_timestamp - Date.now() / 1000) < kSlow);
      assert.ok((await realm.row('10')).idle > data.server_timestamp - kSlow);
      assert.deepEqual(assertSuccess(await realm.user(backend, '11').register()).presence_connected, ['10']);
      await client.close();
      const left = Date.now() / 1000;
      const went = await observer.about('10', 'pgevents.disconnected', { timeout: 60_000 });
      const [event] = eventsOf(went, 'pgevents.disconnected', '10');
      assert.deepEqual(event.data.users, ['10']);
      const after = Number(event.ts) - left;
      assert.ok(after > kGrace - 0.05 && after < kGrace + lasts + kLease + kSlow, `${after} s`);
      assert.deepEqual(assertSuccess(await realm.user(backend, '11').register()).presence_connected, []);
      assert.deepEqual(eventsOf([...came, ...went], 'pgevents.connected', '10').length, 1);
    });
  }

  test('a user who reconnects within the grace time is not disconnected', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    for (const again of [false, true, true, true]) {
      const client = stream(realm, '10');
      if (!again) await observer.about('10', 'pgevents.connected');
      else await client.opened();
      await client.close();
      await sleep(kGrace * 400);
    }
    const events = await observer.about('10', 'pgevents.disconnected', { timeout: 60_000 });
    assert.deepEqual(eventsOf(events, 'pgevents.connected', '10'), []);
    assert.equal(eventsOf(events, 'pgevents.disconnected', '10').length, 1);
  });

  test('the end of one of several connections publishes no event', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    const first = stream(realm, '10');
    const second = poller(realm, '10');
    await observer.about('10', 'pgevents.connected');
    await first.opened();
    await first.close();
    await sleep((kGrace + lasts) * 2000);
    assert.deepEqual((await observer.all()).filter(([type]) => type !== 'presence'), []);
    await second.close();
    await observer.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('successive long polls count as one connection', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    const client = poller(realm, '10', { timeout: '0.2' });
    await observer.about('10', 'pgevents.connected');
    await waitFor(() => client.answers.length >= (backend.name === 'module' ? 15 : 4), { what: 'many long polls' });
    assert.deepEqual((await observer.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await observer.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('short polls at their interval count as one connection', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    const client = poller(realm, '10', { flavor: 'poll' });
    await observer.about('10', 'pgevents.connected');
    await waitFor(() => client.answers.length >= 4, { what: 'many polls' });
    assert.deepEqual((await observer.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await observer.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('a stream that the server ends and that reconnects counts as one connection', async () => {
    const id = `traveller-${backend.name}`; // disconnect() covers all realms
    const realm = await newRealm(database, id);
    const observer = await realm.observer(backend);
    const client = stream(realm, id, { reconnect: true, maxDelay: 300 });
    await observer.about(id, 'pgevents.connected');
    for (let round = 0; round < 5; round++) {
      const before = client.connections.length;
      await database.query('SELECT pgevents.disconnect($1)', [id]);
      await waitFor(() => client.connections.length > before && client.status === 200, { what: 'the reconnection' });
    }
    assert.deepEqual((await observer.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await observer.about(id, 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('a connected user who never reports is kept idle by the contacts', async () => {
    const realm = await newRealm(database, '10');
    const observer = await realm.observer(backend);
    const client = stream(realm, '10');
    await observer.about('10', 'pgevents.connected');
    for (let round = 0; round < 3; round++) {
      const { idle } = await realm.row('10');
      await waitFor(async () => (await realm.row('10')).idle > idle, { what: 'a later contact' });
      assert.ok((await realm.row('10')).idle - idle < kPing + kSlow);
    }
    assert.equal((await realm.row('10')).active, null);
    assert.deepEqual((await observer.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
  });

  test('users without presence, bots, inactive users, unknown users and anonymous clients publish no event', async () => {
    const realm = await newRealm(database, { user_id: 'shy', presence_enabled: false },
      { user_id: 'robot', is_bot: true }, { user_id: 'gone', is_active: false });
    const observer = await realm.observer(backend);
    const clients = ['shy', 'robot', 'gone', 'unknown', undefined].map((id) => stream(realm, id));
    for (const client of clients) await client.opened();
    await sleep(kPing * 1500); // until they are reported again
    assert.deepEqual(await observer.all(), []);
    for (const client of clients) await client.close();
    await sleep((kGrace + lasts) * 1000);
    assert.deepEqual(await observer.all(), []);
    const stored = "SELECT user_id FROM pgevents.presence WHERE realm = $1 AND user_id !~ '^newcomer'";
    assert.deepEqual(await database.query(stored, [realm.name]), []);
  });

  test('turning presence off disconnects a connected user, turning it on connects the user', async () => {
    const realm = await newRealm(database, '10', '11');
    const observer = await realm.observer(backend);
    const client = stream(realm, '10');
    await observer.about('10', 'pgevents.connected');
    const connected = async () => assertSuccess(await realm.user(backend, '11').register()).presence_connected;
    assertSuccess(await realm.user(backend, '10').choose({ presence_enabled: false }));
    await observer.about('10', 'pgevents.disconnected');
    assert.deepEqual(await connected(), []);
    await sleep(kPing * 1500);
    assert.deepEqual(eventsOf(await observer.until(() => true), 'pgevents.connected', '10'), []);
    assertSuccess(await realm.user(backend, '10').choose({ presence_enabled: true }));
    await observer.about('10', 'pgevents.connected');
    assert.deepEqual(await connected(), ['10']);
    await client.close();
  });

  test('the same user id in another realm is another user, whose events stay in that realm', async () => {
    const [north, south] = [await newRealm(database, '10'), await newRealm(database, '10')];
    const [here, there] = [await north.observer(backend), await south.observer(backend)];
    const client = stream(north, '10');
    await here.about('10', 'pgevents.connected');
    assert.deepEqual(assertSuccess(await south.user(backend, '10').register()).presence_connected, []);
    const other = stream(south, '10');
    await there.about('10', 'pgevents.connected');
    await client.close();
    await here.about('10', 'pgevents.disconnected', { timeout: 60_000 });
    assert.deepEqual((await there.all()).filter(([type]) => type !== 'presence'), []);
    await other.close();
  });

  test('users who connect together are published together', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => `u${n}`);
    const realm = await newRealm(database, ...ids);
    const observer = await realm.observer(backend);
    const clients = ids.map((id) => stream(realm, id));
    const seen = new Set();
    const events = await observer.until((all) => {
      for (const { data, type } of all) if (type === 'pgevents.connected') for (const id of data.users) seen.add(id);
      return seen.size === ids.length;
    });
    const connected = events.filter(({ type }) => type === 'pgevents.connected');
    assert.equal(connected.flatMap(({ data }) => data.users).length, ids.length);
    await Promise.all(clients.map((client) => client.close()));
  });
}, { atOnce: 12 });
