// A front-end on a copy of the log: what writes, or must read what was just written, goes to the primary; what comes of
// it arrives at the copy's subscribers. What no request asks for (contacts, ticks, sequencing, pruning) is done at the
// primary too.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, waitFor } from '../lib/conditions.mjs';
import { startCopy, startFrontEnds } from '../lib/copy.mjs';
import { kServerUser } from '../lib/database.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { newRealm, setTimings } from '../lib/realm.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';

const kSecond = 1000;

const { primary, copy } = await startCopy();
await setTimings(primary, { presence_grace: '1 s', presence_lease: '2 s', presence_flush_window: '50 ms' });
const { server, backends } = await startFrontEnds({ primary, copy, parameters: 'sweep=500ms prune=200ms', allow: [kKilledWorker] });

let channels = 0;
const newChannel = () => `open.${++channels}`;

// A subscriber on the copy, behind what is there now: `next(type)` waits for the next event of that type.
async function follow(backend, channel, headers) {
  if (backend.streams) {
    const stream = await server.stream(channel, { headers, query: { envelope: '1' } }).opened();
    return { next: (type) => waitFor(() => stream.events.find((event) => event.type === type), { what: type }) };
  }
  let cursor;
  const poll = async () => {
    const from = cursor === undefined ? {} : { 'Last-Event-ID': cursor };
    const answer = await backend.send(`/events/${channel}?flavor=poll`, { headers: { ...headers, ...from } });
    assert.equal(answer.status, 200, answer.body);
    cursor = answer.headers['last-event-id'];
    return parsePollBody(answer.body);
  };
  await poll();
  const find = async (type) => (await poll()).find((event) => event.type === type);
  return { next: (type) => waitFor(() => find(type), { what: type }) };
}

const success = (answer) => {
  assert.equal(answer.status, 200, answer.body);
  return answer.json();
};

// What a request of user 10 does: { channel, type }: the event of it; check: what else must be true.
const kRequests = [
  ['a report of presence', (anna) => anna.report({ status: 'active', last_update_id: -1 }), {
    channel: (realm) => realm.channel, type: 'presence',
    check: async ({ answer, realm }) => {
      assert.ok(answer.presences['10'], 'its answer has what it has written');
      assert.ok(await realm.row('10'), 'the row at the primary');
    },
  }],
  ['a report that only pings', (anna) => anna.report({ status: 'active', ping_only: true }), {
    channel: (realm) => realm.channel, type: 'presence', check: async ({ realm }) => assert.ok(await realm.row('10')),
  }],
  ['typing in a stream', (anna, { stream }) =>
    anna.type({ op: 'start', type: 'stream', stream_id: stream, topic: 'x' }), {
    channel: (realm, stream) => `stream:${stream}`, type: 'typing',
  }],
  ['typing to a user', (anna) => anna.type({ op: 'start', to: ['11'] }), {
    channel: (realm) => realm.userChannel('11'), type: 'typing', as: '11',
  }],
  ['settings', (anna) => anna.choose({ presence_enabled: false }), {
    channel: (realm) => realm.userChannel('10'), type: 'user_settings',
    check: async ({ anna }) => assert.equal(success(await anna.register()).user_settings.presence_enabled, false),
  }],
  ['registration', (anna) => anna.register(), {
    check: async ({ answer }) => assert.ok(Number(answer.last_event_id) > 0),
  }],
  ['the presence of a realm', async (anna, { bob }) => {
    success(await bob.report({ status: 'active' }));
    return anna.realmPresence();
  }, { check: async ({ answer }) => assert.ok(answer.presences['11'], 'a report of a moment ago') }],
  ['the presence of a user', async (anna, { bob }) => {
    success(await bob.report({ status: 'active' }));
    return anna.presenceOf('11');
  }, { check: async ({ answer }) => assert.ok(answer.presence, 'a report of a moment ago') }],
];

for (const backend of backends) {
  for (const [name, send, { channel, type, as = '10', check }] of kRequests) {
    test(`${backend.name}: ${name} goes to the primary, and its event comes to the copy's subscribers`, async () => {
      const realm = await newRealm(primary, '10', '11');
      const stream = `s-${realm.name}`;
      await realm.addStream(stream, { members: ['10', '11'] });
      const [anna, bob] = ['10', '11'].map((id) => realm.user(backend, id));
      const reader = channel && await follow(backend, channel(realm, stream), realm.headersOf(as));
      const answer = success(await send(anna, { bob, stream }));
      if (reader) await reader.next(type);
      await check?.({ answer, realm, anna });
      assert.equal(await copy.value('SELECT count(*) FROM pgevents.users'), 0);
    });
  }

  test(`${backend.name}: a publication gets its id at the primary, and arrives with it, once`, async () => {
    const channel = newChannel();
    const realm = await newRealm(primary, '10');
    const headers = realm.headersOf('10');
    const reader = await follow(backend, channel, headers);
    const body = '{"type":"made","data":{"n":1}}';
    const post = () => backend.send(`/events/${channel}`,
      { method: 'POST', body, headers: { ...headers, 'Idempotency-Key': `key-${channel}` } });
    const answer = await post();
    assert.equal(answer.status, 201, answer.body);
    assert.equal((await post()).json().id, answer.json().id, 'with the same key');
    const event = await reader.next('made');
    assert.equal(String(event.id), String(answer.json().id));
    const rows = await copy.log({ channels: [channel] });
    assert.deepEqual(rows.map(({ id }) => String(id)), [String(answer.json().id)]);
  });

  test(`${backend.name}: a membership counts as soon as it is committed at the primary`, async () => {
    const realm = await newRealm(primary, '10', '11');
    const stream = `s-${realm.name}`;
    await realm.addStream(stream, { members: ['11'] });
    const types = () => realm.user(backend, '10').type({ op: 'start', type: 'stream', stream_id: stream, topic: 'x' });
    assert.equal((await types()).status, 400);
    await primary.query('INSERT INTO pgevents.stream_members VALUES ($1, $2)', [stream, '10']);
    success(await types());
    await primary.query('DELETE FROM pgevents.stream_members WHERE stream_id = $1 AND user_id = $2', [stream, '10']);
    assert.equal((await types()).status, 400);
  });

  test(`${backend.name}: a revocation at the primary rejects the token within a second of its arrival`, async () => {
    const realm = await newRealm(primary, '10', '11');
    const [anna, bob] = ['10', '11'].map((id) => realm.headersOf(id));
    const get = (headers) => backend.send('/events/open.x?flavor=poll', { headers });
    const post = (headers) => backend.send('/events/open.x', { method: 'POST', body: '{"type":"made"}', headers });
    assert.deepEqual([(await get(anna)).status, (await post(anna)).status], [200, 201]);
    const id = await primary.value('SELECT pgevents.revoke($1)', ['10']);
    await waitFor(async () => await copy.head() >= id, { what: 'the revocation on the copy', interval: 5 });
    const arrived = performance.now();
    await waitFor(async () => (await get(anna)).status === 401, { what: '401', interval: 5 });
    assert.ok(performance.now() - arrived < kSecond, `${performance.now() - arrived} ms`);
    assert.equal((await post(anna)).status, 401);
    assert.deepEqual([(await get(bob)).status, (await post(bob)).status], [200, 201]);
    await primary.query(`SELECT pgevents.revoke($1, '-infinity')`, ['10']);
    await waitFor(async () => (await get(anna)).status === 200, { what: 'access again' });
  });
}

for (const [what, sql] of [['revoke', 'SELECT pgevents.revoke($1)'], ['disconnect', 'SELECT pgevents.disconnect($1)']]) {
  test(`${what}() at the primary ends the user's streams and WebSockets on the copy within a second`, async () => {
    const user = `${what}-10`;
    const realm = await newRealm(primary, user, '11');
    const headers = realm.headersOf(user);
    const ending = server.stream('open.x', { headers });
    const staying = server.stream('open.x', { headers: realm.headersOf('11') });
    const socket = new Socket({ port: server.port, path: '/rt/events/open.x', headers });
    await Promise.all([ending.opened(), staying.opened(), socket.opened()]);
    const id = await primary.value(sql, [user]);
    await waitFor(async () => await copy.head() >= id, { what: 'the event on the copy', interval: 5 });
    const arrived = performance.now();
    await Promise.all([ending.finished, socket.ended]);
    assert.ok(performance.now() - arrived < kSecond, `${performance.now() - arrived} ms`);
    assert.equal(staying.connection.how, undefined);
    staying.close();
  });
}

test('publications and calls through a WebSocket go to the primary', async () => {
  const realm = await newRealm(primary, '10', '11');
  const channel = newChannel();
  const socket = await new Socket({
    port: server.port, path: `/rt/events/${channel},${realm.channel}`, headers: realm.headersOf('10'),
  }).opened();
  const made = await socket.ask({ publish: channel, type: 'made' });
  assert.equal(made.status, 201, JSON.stringify(made));
  const call = await socket.ask({
    call: { method: 'POST', path: '/users/me/presence', body: { status: 'active', ping_only: true } },
  });
  assert.equal(call.status, 200, JSON.stringify(call));
  const eventOf = (type) => socket.events.find(({ data }) => data.type === type);
  await waitFor(() => eventOf('made') && eventOf('presence'), { what: () => `both: ${JSON.stringify(socket.objects)}` });
  assert.equal(eventOf('made').id, made.body.id);
  socket.socket.close();
});

test('users connected to an nginx on a copy are contacts at the primary, in batches, until they leave', async () => {
  const users = range(1, 40).map(String);
  const realm = await newRealm(primary, ...users, 'reader');
  const batches = async () => (await readMetrics({ port: server.port, path: '/metrics' }))
    .value('query_duration_seconds_count', { statement: 'presence_contacts' });
  const reader = await server.stream(realm.channel, { headers: realm.headersOf('reader') }).opened();
  const before = await batches();
  const streams = users.map((id) => server.stream('open.x', { headers: realm.headersOf(id) }));
  await Promise.all(streams.map((stream) => stream.opened()));
  const seen = (type) => reader.events.filter((event) => event.type === type)
    .flatMap((event) => JSON.parse(event.data).users);
  await waitFor(() => users.every((id) => seen('pgevents.connected').includes(id)), { what: 'all connected' });
  assert.ok(await batches() - before < 15, `${await batches() - before} batches`);
  streams.forEach((stream) => stream.close());
  await waitFor(() => users.every((id) => seen('pgevents.disconnected').includes(id)), { what: 'all disconnected' });
  reader.close();
});

for (const backend of backends.slice(1)) {
  test(`${backend.name}: a poll counts as contact at the primary`, async () => {
    const realm = await newRealm(primary, '10');
    await backend.send('/events/open.x?flavor=poll', { headers: realm.headersOf('10') });
    await waitFor(async () => (await realm.row('10'))?.is_connected, { what: 'the contact' });
  });
}

test('the connections of a killed worker expire, although no nginx is connected to the primary itself', async () => {
  const realm = await newRealm(primary, '10', '11');
  const reader = () => realm.log().then((rows) => rows.filter(({ type }) => type === 'pgevents.disconnected'));
  const stream = await server.stream('open.x', { headers: realm.headersOf('10') }).opened();
  await waitFor(async () => (await realm.row('10'))?.is_connected, { what: 'the contact' });
  server.nginx.kill(Number(stream.connection.headers['x-worker']));
  await waitFor(async () => (await reader()).length === 1, { what: 'the user disconnected' });
});

test('what a sequencer of the primary left when it died gets its ids, and what has expired there is pruned', async () => {
  const [sequencer, blocker] = await Promise.all([primary.connect(kServerUser), primary.connect('postgres')]);
  const channel = newChannel();
  await sequencer.query('SELECT pgevents.sequencer_begin()');
  await blocker.query('BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1)');
  await primary.query('SELECT pgevents.publish($1, $2)', [channel, 'left']);
  assert.equal(await primary.value('SELECT count(*) FROM pgevents.ready'), 1, 'it was left');
  await Promise.all([sequencer.end(), blocker.end()]);
  await waitFor(async () => (await copy.log({ channels: [channel] })).length === 1, { what: 'the event on the copy' });
  const row = async (database) => (await database.log({ channels: [channel] })).length;
  await primary.query(`UPDATE pgevents.settings SET value = '1 s' WHERE name = 'retention'`);
  await waitFor(async () => await row(primary) === 0 && await row(copy) === 0, { what: 'it is pruned at both' });
  await primary.query(`UPDATE pgevents.settings SET value = '1 day' WHERE name = 'retention'`);
});

test('the copy has no connections but for reading, and neither log reports an error', async () => {
  const writes = /http_publish|http_report|http_typing|presence_contacts|presence_tick|holder_open|pgevents\.prune/;
  assert.doesNotMatch(copy.cluster.logText(), writes);
  assert.doesNotMatch(copy.cluster.logText(), /ERROR/);
  const said = server.nginx.logText().split('\n').filter((line) => /\[(error|alert|crit)\]/.test(line));
  const ofKill = (line) => /is the listener of/.test(line) || kKilledWorker.test(line);
  assert.deepEqual(said.filter((line) => !ofKill(line)), []);
});
