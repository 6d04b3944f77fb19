// The module's part of presence: reports of many users in one statement, and connections reported in batches under a
// lease.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const cluster = await sharedCluster();
const kGrace = 3;

// Creates a database with users 1 to 200 and short times, and a server that takes the user from the query.
async function start({ parameters = '', ...options } = {}) {
  const database = await cluster.createDatabase();
  await database.query('INSERT INTO pgevents.users (user_id) SELECT id::text FROM generate_series(1, 200) id');
  await database.query(`UPDATE pgevents.settings SET value = v FROM (VALUES ('presence_grace', interval '${kGrace} s'),
    ('presence_lease', '3 s'), ('presence_flush_window', '50 ms')) t (n, v) WHERE name = n`);
  const server = await startModuleServer({ database, location: 'pgevents_user $arg_user;', parameters, ...options });
  return { database, server };
}

const report = (server, user, params = { status: 'active', ping_only: true }, options = {}) => request({
  port: server.port, path: `/rt/users/me/presence?user=${user}`, method: 'POST', body: JSON.stringify(params), ...options,
});

const eventsOf = async (database, type) => (await database.log({ channels: ['presence:main'] }))
  .filter((event) => event.type === type).flatMap((event) => JSON.parse(event.data).users);

const connected = (database) => eventsOf(database, 'pgevents.connected');
const disconnected = (database) => eventsOf(database, 'pgevents.disconnected');

test('concurrent reports are stored in few transactions, and each gets its own answer', async () => {
  const { database, server } = await start({ workers: 1 });
  await report(server, 1);
  const [{ before }] = await database.query('SELECT txid_current() AS before');
  const answers = await Promise.all(range(1, 200).map((user) =>
    report(server, user, user % 10 === 0 ? { status: 'foo' } : { status: 'active', last_update_id: -1 })));
  const [{ after }] = await database.query('SELECT txid_current() AS after');
  for (const [index, answer] of answers.entries()) {
    const user = String(index + 1);
    if (Number(user) % 10 === 0) {
      assert.deepEqual([answer.status, answer.json().msg], [400, 'Invalid status: foo']);
    } else {
      assert.equal(answer.status, 200);
      assert.ok(answer.json().presences[user], `the answer of ${user} contains the user's own row`);
    }
  }
  // The limit is generous: a tick, a sweep and the first single reports write as well.
  assert.ok(Number(after) - Number(before) < 100, `${after - before} transactions for 180 reports`);
});

test('a client that leaves before its report is answered does not affect the others', async () => {
  const { database, server } = await start({ workers: 1 });
  const left = range(1, 20).map((user) => {
    const abort = new AbortController();
    const answer = report(server, user, undefined, { signal: abort.signal }).catch(() => 'gone');
    setImmediate(() => abort.abort());
    return answer;
  });
  const stayed = await Promise.all(range(21, 40).map((user) => report(server, user)));
  for (const answer of stayed) assert.equal(answer.status, 200);
  await Promise.all(left);
  const rows = () => database.query('SELECT FROM pgevents.presence WHERE user_id::int BETWEEN 21 AND 40');
  await waitFor(async () => (await rows()).length === 20, { what: 'rows of the other users' });
});

test('reports succeed again after the connections to the database were terminated', async () => {
  const { database, server } = await start({ workers: 1 });
  assert.equal((await report(server, 1)).status, 200);
  await database.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY ($1)',
    [['pgevents listener', 'pgevents pool']]);
  await waitFor(async () => (await report(server, 1)).status === 200, { what: 'a successful report' });
});

test('users of waiting requests are connected, with one row each, whatever the number of their requests', async () => {
  const { database, server } = await start({ workers: 4 });
  const streams = range(1, 50).flatMap((user) => [1, 2].map(() => server.stream('news', { query: { user } })));
  await Promise.all(streams.map((stream) => stream.opened()));
  await waitFor(async () => new Set(await connected(database)).size === 50, { what: 'connected events of all users' });
  assert.equal((await connected(database)).length, 50, 'each once');
  await Promise.all(streams.map((stream) => stream.close()));
  await waitFor(async () => new Set(await disconnected(database)).size === 50,
    { what: 'disconnected events of all users' });
  assert.equal((await disconnected(database)).length, 50, 'each once');
});

test('a reload of nginx disconnects no user who reconnects', async () => {
  const { database, server } = await start({ workers: 2, location: 'pgevents_user $arg_user; pgevents_retry 100ms;' });
  const pollers = range(1, 20).map((user) => server.poller('news', { query: { user }, cursor: '0' }));
  await waitFor(async () => (await connected(database)).length === 20, { what: 'all connected' });
  for (let i = 0; i < 3; i++) await server.nginx.reload();
  const open = 'SELECT FROM pgevents.presence_holders WHERE NOT is_gone';
  await waitFor(async () => (await database.query(open)).length <= 2,
    { what: 'the end of the old workers\' presence sessions' });
  assert.deepEqual(await disconnected(database), []);
  await Promise.all(pollers.map((poller) => poller.close()));
});

test('a connected user is in contact without reporting', async () => {
  const { database, server } = await start({ workers: 1 });
  await database.query("UPDATE pgevents.settings SET value = '1 s' WHERE name = 'presence_ping_interval'");
  const stream = await server.stream('news', { query: { user: 7 } }).opened();
  const select = "SELECT idle_at FROM pgevents.presence WHERE user_id = '7'";
  const idleAt = async () => (await database.query(select))[0]?.idle_at;
  const first = await waitFor(idleAt, { what: 'the first contact' });
  await waitFor(async () => (await idleAt()) > first, { what: 'the next contact' });
  assert.deepEqual(await disconnected(database), []);
  await stream.close();
});

test('a worker whose lease the database has ended opens a new presence session with all connections', async () => {
  const { database, server } = await start({ workers: 1 });
  const stream = await server.stream('news', { query: { user: 3 } }).opened();
  await waitFor(async () => (await connected(database)).length === 1, { what: 'connected' });
  await database.query("UPDATE pgevents.presence_holders SET alive_until = now() - interval '1 hour', is_gone = true");
  const connections = `
    SELECT FROM pgevents.connections c JOIN pgevents.presence_holders h USING (holder) WHERE NOT h.is_gone`;
  await waitFor(async () => (await database.query(connections)).length === 1,
    { what: 'a new presence session with the connection' });
  await stream.close();
});

test('presence=off reports no connections to the database, and still accepts reports', async () => {
  const { database, server } = await start({ workers: 1, parameters: 'presence=off' });
  const stream = await server.stream('news', { query: { user: 3 } }).opened();
  assert.equal((await report(server, 4)).status, 200);
  await stream.close();
  assert.deepEqual(await database.query('SELECT FROM pgevents.presence_holders'), []);
});
