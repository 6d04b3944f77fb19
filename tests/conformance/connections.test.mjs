// Connections count as contact, and are announced: who comes, and who has been away for the grace time. What the module holds, it
// reports itself; a poll of the fallback lasts until the next one is overdue.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach, kBase } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { assertSuccess, kNobody, newRealm, setTimings, startWithPeople } from '../lib/people.mjs';
import { Poller } from '../lib/poller.mjs';

const kGrace = 5; // s
const kLease = 8;
const kPing = 1.0;
const kPollInterval = 1; // s, of the fallback
const kSlow = 10; // s beyond what is due, on a machine that does other things

const database = await (await sharedCluster()).createDatabase();
const backends = await startWithPeople({ database, limits: { pollInterval: kPollInterval } });
await setTimings(database, {
  presence_grace: `${kGrace} seconds`, presence_lease: `${kLease} seconds`, presence_ping_interval: `${kPing} seconds`,
  presence_offline_threshold: '3 seconds', presence_flush_window: '10 milliseconds',
});

const told = (events, type, id) => events.filter((event) => event.type === type && event.data.users.includes(id));

forEach(backends, (backend) => {
  // How long a connection lasts beyond its last request.
  const lasts = backend.name === 'module' ? 0 : kPollInterval;

  const stream = (realm, id, options = {}) => new EventStream({
    port: backend.port, path: `${kBase}/events/${realm.channel}`, headers: id ? realm.headersOf(id) : kNobody,
    reconnect: backend.differs.streamEnds, ...options,
  });
  const poller = (realm, id, { flavor = 'long-poll', timeout = '30' } = {}) => new Poller({
    port: backend.port, path: `${kBase}/events/${realm.channel}?timeout=${timeout}`, headers: realm.headersOf(id), flavor, cursor: 0,
  });
  const kinds = { 'a stream': stream, 'a long poll': poller };

  for (const [what, connect] of Object.entries(kinds)) {
    test(`${what} connects a user, which is told and counts as contact; when it is gone, that is told after the grace time`, async () => {
      const realm = await newRealm(database, '10', '11');
      const news = await realm.news(backend);
      const client = connect(realm, '10');
      const came = await news.about('10', 'pgevents.connected');
      const [{ data }] = told(came, 'pgevents.connected', '10');
      assert.deepEqual(data.users, ['10']);
      assert.ok(Math.abs(data.server_timestamp - Date.now() / 1000) < kSlow);
      assert.ok((await realm.row('10')).idle > data.server_timestamp - kSlow);
      assert.deepEqual(assertSuccess(await realm.person(backend, '11').register()).presence_connected, ['10']);
      await client.close();
      const left = Date.now() / 1000;
      const went = await news.about('10', 'pgevents.disconnected', { timeout: 60_000 });
      const [event] = told(went, 'pgevents.disconnected', '10');
      assert.deepEqual(event.data.users, ['10']);
      const after = Number(event.ts) - left;
      assert.ok(after > kGrace - 0.05 && after < kGrace + lasts + kLease + kSlow, `${after} s`);
      assert.deepEqual(assertSuccess(await realm.person(backend, '11').register()).presence_connected, []);
      assert.deepEqual(told([...came, ...went], 'pgevents.connected', '10').length, 1);
    });
  }

  test('whoever comes back within the grace time has not left', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    for (const again of [false, true, true, true]) {
      const client = stream(realm, '10');
      if (!again) await news.about('10', 'pgevents.connected');
      else await client.opened();
      await client.close();
      await sleep(kGrace * 400);
    }
    const events = await news.about('10', 'pgevents.disconnected', { timeout: 60_000 });
    assert.deepEqual(told(events, 'pgevents.connected', '10'), []);
    assert.equal(told(events, 'pgevents.disconnected', '10').length, 1);
  });

  test('one connection of several says nothing by leaving', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    const first = stream(realm, '10');
    const second = poller(realm, '10');
    await news.about('10', 'pgevents.connected');
    await first.opened();
    await first.close();
    await sleep((kGrace + lasts) * 2000);
    assert.deepEqual((await news.all()).filter(([type]) => type !== 'presence'), []);
    await second.close();
    await news.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('long polls one after the other are one connection', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    const client = poller(realm, '10', { timeout: '0.2' });
    await news.about('10', 'pgevents.connected');
    await waitFor(() => client.answers.length >= (backend.name === 'module' ? 15 : 4), { what: 'many long polls' });
    assert.deepEqual((await news.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await news.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('short polls at their interval are one connection', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    const client = poller(realm, '10', { flavor: 'poll' });
    await news.about('10', 'pgevents.connected');
    await waitFor(() => client.answers.length >= 4, { what: 'many polls' });
    assert.deepEqual((await news.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await news.about('10', 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('a stream that the server ends, and that comes back as it was told, is one connection', async () => {
    const id = `traveller-${backend.name}`; // disconnect() asks for no realm
    const realm = await newRealm(database, id);
    const news = await realm.news(backend);
    const client = stream(realm, id, { reconnect: true, maxDelay: 300 });
    await news.about(id, 'pgevents.connected');
    for (let round = 0; round < 5; round++) {
      const before = client.connections.length;
      await database.query('SELECT pgevents.disconnect($1)', [id]);
      await waitFor(() => client.connections.length > before && client.status === 200, { what: 'the way back' });
    }
    assert.deepEqual((await news.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
    await news.about(id, 'pgevents.disconnected', { timeout: 60_000 });
  });

  test('who is connected and never reports is refreshed as idle', async () => {
    const realm = await newRealm(database, '10');
    const news = await realm.news(backend);
    const client = stream(realm, '10');
    await news.about('10', 'pgevents.connected');
    for (let round = 0; round < 3; round++) {
      const { idle } = await realm.row('10');
      await waitFor(async () => (await realm.row('10')).idle > idle, { what: 'a later contact' });
      assert.ok((await realm.row('10')).idle - idle < kPing + kSlow);
    }
    assert.equal((await realm.row('10')).active, null);
    assert.deepEqual((await news.all()).filter(([type]) => type !== 'presence'), []);
    await client.close();
  });

  test('whoever has turned presence off comes and goes unnoticed, and so does a bot, an inactive user, a stranger, nobody', async () => {
    const realm = await newRealm(database, { user_id: 'shy', presence_enabled: false }, { user_id: 'robot', is_bot: true },
      { user_id: 'gone', is_active: false });
    const news = await realm.news(backend);
    const clients = ['shy', 'robot', 'gone', 'stranger', undefined].map((id) => stream(realm, id));
    for (const client of clients) await client.opened();
    await sleep(kPing * 1500); // also when they are reported anew
    assert.deepEqual(await news.all(), []);
    for (const client of clients) await client.close();
    await sleep((kGrace + lasts) * 1000);
    assert.deepEqual(await news.all(), []);
    assert.deepEqual(await database.query(`SELECT user_id FROM pgevents.presence WHERE realm = $1 AND user_id !~ '^newcomer'`, [realm.name]), []);
  });

  test('turning presence off while connected is a departure, turning it on an arrival', async () => {
    const realm = await newRealm(database, '10', '11');
    const news = await realm.news(backend);
    const client = stream(realm, '10');
    await news.about('10', 'pgevents.connected');
    const connected = async () => assertSuccess(await realm.person(backend, '11').register()).presence_connected;
    assertSuccess(await realm.person(backend, '10').choose({ presence_enabled: false }));
    await news.about('10', 'pgevents.disconnected');
    assert.deepEqual(await connected(), []);
    await sleep(kPing * 1500);
    assert.deepEqual(told(await news.until(() => true), 'pgevents.connected', '10'), []);
    assertSuccess(await realm.person(backend, '10').choose({ presence_enabled: true }));
    await news.about('10', 'pgevents.connected');
    assert.deepEqual(await connected(), ['10']);
    await client.close();
  });

  test('the same user id in another realm is somebody else, and is not told there', async () => {
    const [north, south] = [await newRealm(database, '10'), await newRealm(database, '10')];
    const [here, there] = [await north.news(backend), await south.news(backend)];
    const client = stream(north, '10');
    await here.about('10', 'pgevents.connected');
    assert.deepEqual(assertSuccess(await south.person(backend, '10').register()).presence_connected, []);
    const other = stream(south, '10');
    await there.about('10', 'pgevents.connected');
    await client.close();
    await here.about('10', 'pgevents.disconnected', { timeout: 60_000 });
    assert.deepEqual((await there.all()).filter(([type]) => type !== 'presence'), []);
    await other.close();
  });

  test('many who come together are announced together', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => `u${n}`);
    const realm = await newRealm(database, ...ids);
    const news = await realm.news(backend);
    const clients = ids.map((id) => stream(realm, id));
    const heard = new Set();
    const events = await news.until((all) => {
      for (const { data, type } of all) if (type === 'pgevents.connected') for (const id of data.users) heard.add(id);
      return heard.size === ids.length;
    });
    assert.equal(events.filter(({ type }) => type === 'pgevents.connected').flatMap(({ data }) => data.users).length, ids.length);
    await Promise.all(clients.map((client) => client.close()));
  });
}, { atOnce: 12 });
