// A worker's few connections are shared: presence leaves one of them to the events, a query for many requests runs
// once, and queues are bounded. The test holds a lock that makes each presence statement wait.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const cluster = await sharedCluster();
const kLock = 4711;

// Creates a realm `main` of 50 users and a realm `other` of one. presence_state() counts its calls in a sequence, and
// waits while the test holds kLock.
async function start({ connections = 2 } = {}) {
  const database = await cluster.createDatabase();
  await database.query(`
    INSERT INTO pgevents.users (user_id) SELECT id::text FROM generate_series(1, 50) id;
    INSERT INTO pgevents.users (realm, user_id) VALUES ('other', '51');
    INSERT INTO pgevents.presence (realm, user_id, idle_at,
      update_id) SELECT realm, user_id, now(), 1 FROM pgevents.users;
    CREATE SEQUENCE pgevents.states;
    ALTER FUNCTION pgevents.presence_state(text, bigint, bigint, boolean, boolean) RENAME TO presence_state_now;
    CREATE FUNCTION pgevents.presence_state(realm text, after bigint, days bigint, slim boolean,
      with_connected boolean DEFAULT false)
    RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM nextval('pgevents.states'), pg_advisory_lock_shared(${kLock});
      PERFORM pg_advisory_unlock_shared(${kLock});
      RETURN pgevents.presence_state_now(realm, after, days, slim, with_connected);
    END $$`);
  const server = await startModuleServer({
    database, workers: 1, ring: '64k', parameters: `connections=${connections} preload=1`,
    location: 'pgevents_user $arg_user; pgevents_realm $arg_realm;',
  });
  return { database, server, holder: await database.connect('postgres') };
}

const states = (database) => database.value('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM pgevents.states');
const waiting = (database) => database.value(
  `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${kLock} AND NOT granted`);
const hold = (session) => session.query(`SELECT pg_advisory_lock(${kLock})`);
const release = (session) => session.query(`SELECT pg_advisory_unlock(${kLock})`);

const call = (server, user, { method = 'GET', path = '/realm/presence', realm = 'main', body } = {}) => request({
  port: server.port, path: `/rt${path}?user=${user}&realm=${realm}`, method, ...(body && { body: JSON.stringify(body) }),
});
const publish = (server) =>
  request({ port: server.port, path: '/rt/events/news?user=1&realm=main', method: 'POST', body: '{"type":"made"}' });
const poll = (server) => server.get('news', { query: { flavor: 'poll', last_event_id: '0', user: 1, realm: 'main' } });

// The requests for a realm's whole presence.
const kWhole = [
  ['GET /realm/presence', {}],
  ['POST /register', { method: 'POST', path: '/register', body: {} }],
  ['a report without last_update_id', { method: 'POST', path: '/users/me/presence', body: { status: 'active' } }],
];

for (const [name, options] of kWhole) {
  test(`${name} by twenty users runs at most three times, and events do not wait for it`, async () => {
    const { database, server, holder } = await start();
    await hold(holder);
    const first = call(server, 1, options);
    await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
    const others = range(2, 20).map((user) => call(server, user, options));
    assert.equal((await publish(server)).status, 201);
    assert.equal((await poll(server)).json().length, 1);
    await release(holder);
    for (const answer of await Promise.all([first, ...others])) {
      assert.equal(answer.status, 200, answer.body);
      assert.equal(Object.keys(answer.json().presences).length, 50);
      assert.equal(answer.json().presence_state, undefined);
    }
    assert.ok(await states(database) <= 3, `${await states(database)} statements`);
    await holder.end();
  });
}

test('each caller gets its own errors, and a realm\'s presence reaches only its users', async () => {
  const { database, server, holder } = await start();
  await hold(holder);
  const answers = Promise.all([
    call(server, 1), call(server, 2), call(server, 99), call(server, 51, { realm: 'other' }), call(server, 1,
      { realm: 'other' }), call(server, ''),
  ]);
  await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
  await release(holder);
  const seen = (await answers).map((answer) => answer.json().msg || Object.keys(answer.json().presences).length);
  assert.deepEqual(seen, [50, 50, 'No such user', 1, 'No such user', 'Authentication required']);
  await holder.end();
});

test('a request that comes during a statement gets a state from after the request', async () => {
  const { database, server, holder } = await start();
  await hold(holder);
  const first = call(server, 1);
  await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
  await database.query("UPDATE pgevents.presence SET idle_at = now() - interval '30 days' WHERE user_id = '50'");
  const second = call(server, 2);
  await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
  await release(holder);
  await first;
  assert.equal((await second).json().presences['50'], undefined);
  await holder.end();
});

test('with one connection events take precedence', async () => {
  const { database, server, holder } = await start({ connections: 1 });
  await hold(holder);
  const order = [];
  const named = (name, answer) => answer.then(({ status }) => order.push(`${name} ${status}`));
  const all = [named('state', call(server, 1))];
  await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
  for (const user of range(2, 6)) all.push(named('user', call(server, user, { path: '/users/1/presence' })));
  all.push(named('event', publish(server)));
  await waitFor(() => waitingRequests(server) >= 7, { what: 'all requests in the worker' });
  await release(holder);
  await Promise.all(all);
  assert.equal(order.indexOf('event 201'), 1, order.join(', '));
  await holder.end();
});

test('publishing and catch-up alternate', async () => {
  const { server, holder, database } = await start({ connections: 1 });
  await hold(holder);
  const order = [];
  const named = (name, answer) => answer.then(({ status }) => order.push(`${name} ${status}`));
  const all = [named('state', call(server, 1))];
  await waitFor(async () => await waiting(database) === 1, { what: 'a running statement' });
  const query = { flavor: 'poll', user: 1, realm: 'main' };
  for (const id of range(1, 20)) all.push(named('poll',
    server.get('news', { query: { ...query, last_event_id: id } })));
  await waitFor(() => waitingRequests(server) >= 21, { what: 'all polls in the worker' });
  all.push(named('event', publish(server)));
  await waitFor(() => waitingRequests(server) >= 22, { what: 'all requests in the worker' });
  await release(holder);
  await Promise.all(all);
  assert.ok(order.indexOf('event 201') <= 3, order.join(', '));
  await holder.end();
});

// The number of open connections to the worker, without this one.
function waitingRequests(server) {
  const hex = server.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return lines.filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === '01').length;
}

const rss = (pid) => Number(/VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

test('150 connections with bodies of 2 MB take no memory, and other requests do not wait for them', async () => {
  const { server } = await start();
  const big = JSON.stringify({ status: 'active', ping_only: true, unknown: 'x'.repeat(2_000_000) });
  const [worker] = server.nginx.workers();
  const before = rss(worker);
  const send = (body) => request({ port: server.port, path: '/rt/users/me/presence?user=1&realm=main', method: 'POST',
    body })
    .then(({ status }) => status, () => 413); // nginx may close before Node has sent the whole body
  const answers = range(1, 150).map(() => send(big));
  const ping = { method: 'POST', path: '/users/me/presence', body: { status: 'active', ping_only: true } };
  assert.equal((await call(server, 2, ping)).status, 200);
  assert.deepEqual([...new Set(await Promise.all(answers))], [413]);
  assert.ok(rss(worker) - before < 100, `${before} to ${rss(worker)} MB`);
});

test('reports with many unknown parameters are stored in bounded batches, and name these parameters', async () => {
  const { database, server, holder } = await start();
  await holder.query("BEGIN; SELECT FROM pgevents.presence WHERE user_id = '1' FOR UPDATE");
  const body = { status: 'active', ping_only: true, a: 'x'.repeat(30_000), b: [1, { c: 'y'.repeat(30_000) }] };
  const answers = range(1, 150).map((n) => call(server, n % 50 + 1,
    { method: 'POST', path: '/users/me/presence', body }));
  await waitFor(() => waitingRequests(server) >= 150, { what: 'all requests in the worker' });
  await holder.query('COMMIT');
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json().ignored_parameters_unsupported, ['a', 'b']);
  }
  await holder.end();
  assert.equal(await database.value('SELECT count(*) FROM pgevents.presence WHERE active_at IS NOT NULL'), 50);
});
