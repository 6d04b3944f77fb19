// Publications over HTTP that wait are published in one transaction, and each gets the answer that it would get alone.
// A publication on the channel "held:N" waits until the test releases the lock N, and with it its transaction. So the
// tests decide what gathers: with one connection nothing goes beside a transaction that is under way.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

const cluster = await sharedCluster();
const kWaiting = 1024; // publications that a worker lets wait
const kEvent = '{"type":"made"}';

async function start({ sql = '', pool = 1, ...options } = {}) {
  const database = await cluster.createDatabase();
  await database.query(`
    SELECT pgevents.publish('before', 'made', '1');
    CREATE OR REPLACE FUNCTION pgevents.channel_kind(realm text, channel text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      IF channel = 'broken' THEN RAISE 'this channel is broken'; END IF;
      IF channel LIKE 'held:%' THEN PERFORM pg_advisory_xact_lock_shared(substr(channel, 6)::int); END IF;
      RETURN CASE WHEN channel = 'presence' THEN 'presence' END;
    END $$;
    ${sql}`);
  const server = await startModuleServer({
    database, workers: 1, parameters: `connections=${pool}`, location: 'pgevents_user $arg_user;',
    server: (n) => `listen ${n.listen(1)} http2;`, ...options,
  });
  const holder = await database.connect('postgres');
  await holder.query('SELECT pg_advisory_lock(1), pg_advisory_lock(2)');
  return { database, server, holder };
}

const release = (session, key) => session.query(`SELECT pg_advisory_unlock(${key})`);
const kOfPool = `datname = current_database() AND wait_event = 'advisory' AND application_name LIKE '%pool'`;
// Waits until so many statements of nginx wait for a lock.
const areWaiting = (database, count, text = '') => waitFor(
  async () => await database.value(`SELECT count(*) FROM pg_stat_activity WHERE ${kOfPool} AND strpos(query, $1) > 0`,
    [text]) === count, { what: `${count} waiting statements ${text}` });

const publish = (server, { channel = 'news', body = kEvent, key, user = '1', ...options } = {}) => request({
  port: server.port, path: `/rt/events/${channel}?user=${user}`, method: 'POST', body,
  headers: { ...(key && { 'Idempotency-Key': key }) }, ...options,
});
// The open connections to the server: each test's requests, one connection each.
function connections(server) {
  const hex = server.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return lines.filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === '01').length;
}
const arrived = async (server, count) => {
  await waitFor(() => connections(server) >= count, { what: `${count} connections` });
  await publish(server, { body: 'not JSON' }); // the worker has read what came before it
};
// The transactions that have published on a channel.
const transactions = (database, channel = 'news') =>
  database.value('SELECT count(DISTINCT xmin::text) FROM pgevents.log WHERE channel_id = $1', [channel]);
const ids = (answers) => answers.map((answer) => answer.json().id);

// One publication is under way, and these gather meanwhile.
async function gather(server, database, publications) {
  const first = publish(server, { channel: 'held:1' });
  await areWaiting(database, 1);
  const others = publications.map((publication) => publish(server, publication));
  await arrived(server, publications.length + 1);
  return { first, others };
}
const statuses = async (answers) => (await Promise.all(answers)).map(({ status }) => status);
const times = (count, value) => Array(count).fill(value);

test('publications that arrive while one is under way are published in one transaction', async () => {
  const { database, server, holder } = await start();
  const bodies = range(1, 99).map((n) => `{"type":"made","data":${n}}`);
  const { first, others } = await gather(server, database, bodies.map((body) => ({ body })));
  await release(holder, 1);
  assert.equal((await first).status, 201);
  const answers = await Promise.all(others);
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [201]);
  const log = await database.log({ channels: ['news'] });
  assert.deepEqual(ids(answers).sort((a, b) => a - b), log.map((event) => event.id));
  for (const [n, answer] of answers.entries()) {
    assert.equal(log.find((event) => event.id === answer.json().id).data, String(n + 1));
  }
  assert.equal(await transactions(database), 1);
  await holder.end();
});

test('each publication of a batch gets the answer that it gets alone', async () => {
  const { database, server, holder } = await start();
  const kinds = [
    { body: '{"type":"made","data":{"a" : "\\u0000\\"\\\\ü"},"ttl":5}' }, { body: '{"type":"made","ttl":0}' },
    { channel: 'presence' }, { channel: 'broken' }, { channel: 'other', key: 'used' },
    { channel: 'other', key: 'used', body: '{"type":"else"}' }, { key: 'new"\\' }, { user: '' },
    { body: `{"type":"made","data":"${'x'.repeat(300_000)}"}` }, {},
  ];
  const shown = ({ status, headers, body }) => ({
    status, headers: { ...headers, date: 0, 'content-length': 0 }, body: body.replace(/"id":\d+/, '"id":N'),
  });
  await publish(server, { channel: 'other', key: 'used' });
  const alone = [];
  for (const kind of kinds) alone.push(shown(await publish(server, kind)));
  assert.deepEqual(alone.map(({ status }) => status), [201, 400, 403, 500, 201, 422, 201, 201, 201, 201]);
  const again = kinds.map((kind) => ({ ...kind, ...(kind.key?.startsWith('new') && { key: 'new2"\\' }) }));
  const { first, others } = await gather(server, database, again);
  await release(holder, 1);
  assert.equal((await first).status, 201);
  assert.deepEqual((await Promise.all(others)).map(shown), alone);
  const events = await database.log({ channels: ['news'] });
  assert.equal(events.filter(({ data }) => data === '{"a" : "\\u0000\\"\\\\ü"}').length, 2);
  assert.equal((await database.log({ channels: ['other'] })).length, 1);
  await holder.end();
});

test('one key twice in a batch publishes once, and with another body it is rejected', async () => {
  const { database, server, holder } = await start();
  const same = { key: 'k' };
  const { first, others } = await gather(server, database, [same, same, same, { key: 'k', user: '2' }]);
  const other = publish(server, { key: 'k', body: '{"type":"else"}' });
  await arrived(server, 6);
  await release(holder, 1);
  assert.deepEqual(await statuses([first, other]), [201, 422]);
  const answers = await Promise.all(others);
  assert.deepEqual(await statuses(answers), times(4, 201));
  const [one, two, three, theirs] = ids(answers);
  assert.deepEqual([two, three], [one, one]);
  assert.notEqual(theirs, one);
  assert.equal((await database.log({ channels: ['news'] })).length, 2);
  await holder.end();
});

test('a key that another transaction uses keeps only its own publications waiting', async () => {
  const { database, server, holder } = await start({ pool: 2 });
  const key = `1885824375, ${await database.value(`SELECT hashtext(encode(key_scope, 'hex'))
    FROM pgevents.publication_read('{"user":"1","realm":"main"}', 'news', '${kEvent}', 'k')`)}`;
  await publish(server);
  await holder.query(`SELECT pg_advisory_lock(${key})`);
  const alone = publish(server, { key: 'k' });
  await areWaiting(database, 1, 'http_publish(');
  for (const n of range(1, 5)) assert.equal((await publish(server, { key: `other${n}` })).status, 201);
  await release(holder, key);
  assert.equal((await alone).status, 201);

  await holder.query(`SELECT pg_advisory_lock(${key})`);
  const first = publish(server, { channel: 'held:1' });
  await areWaiting(database, 1);
  const others = [{ key: 'k', body: '{"type":"else"}' }, ...times(5, {})].map((each) => publish(server, each));
  await arrived(server, 7);
  await release(holder, 1);
  assert.deepEqual(await statuses([first, ...others.slice(1)]), times(6, 201));
  await areWaiting(database, 1, 'http_publish(');
  await release(holder, key);
  assert.equal((await others[0]).status, 422);
  await holder.end();
});

test('a publication that takes long keeps the others waiting for a moment only', async () => {
  const { database, server, holder } = await start({ pool: 2 });
  const slow = publish(server, { channel: 'held:1' });
  await areWaiting(database, 1);
  assert.deepEqual(await statuses(range(1, 20).map(() => publish(server))), times(20, 201));
  assert.ok(await transactions(database) < 20, 'one transaction for each');
  await areWaiting(database, 1);
  await release(holder, 1);
  assert.equal((await slow).status, 201);
  await holder.end();
});

test('a client that leaves before its publication is sent publishes nothing', async () => {
  const { database, server, holder } = await start();
  const { first, others } = await gather(server, database, [{ body: '{"type":"made","data":"stays"}' }]);
  const leaving = http.request({ port: server.port, path: '/rt/events/news?user=1', method: 'POST', agent: false });
  leaving.on('error', () => {});
  leaving.end('{"type":"made","data":"left"}');
  await arrived(server, 3);
  leaving.destroy();
  await waitFor(() => connections(server) === 2, { what: 'the connection to close' });
  await publish(server, { body: 'not JSON' }); // the worker has noticed
  await release(holder, 1);
  assert.deepEqual(await statuses([first, ...others]), [201, 201]);
  assert.deepEqual((await database.log({ channels: ['news'] })).map(({ data }) => data), ['"stays"']);
  await holder.end();
});

test('publications beyond the bound are rejected at once with 503, and the others are published', async () => {
  const { database, server, holder } = await start();
  const first = publish(server, { channel: 'held:1' });
  await areWaiting(database, 1);
  const seen = [];
  const rest = range(1, kWaiting + 200).map(() => publish(server).then((answer) => {
    if (answer.status === 503) assert.equal(answer.headers['retry-after'], '5');
    seen.push(answer.status);
  }));
  await waitFor(() => seen.length === 200, { what: '200 rejections' });
  assert.deepEqual([...new Set(seen)], [503]);
  await release(holder, 1);
  await Promise.all([first, ...rest]);
  assert.equal(seen.filter((status) => status === 201).length, kWaiting);
  assert.equal((await database.log({ channels: ['news'] })).length, kWaiting);
  await holder.end();
});

test('when the database ends their transaction, all get 503, and nothing is published', async () => {
  const { database, server, holder } = await start();
  const { first, others } = await gather(server, database, [...times(20, {}), { channel: 'held:2' }, { key: 'k' }]);
  await release(holder, 1);
  assert.equal((await first).status, 201);
  await areWaiting(database, 1, 'http_publish_many(');
  await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${kOfPool}`);
  for (const answer of await Promise.all(others)) {
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['retry-after'], '5');
  }
  assert.equal((await publish(server, { key: 'k' })).status, 201);
  assert.equal((await database.log({ channels: ['news'] })).length, 1);
  await holder.end();
});

test('when their transaction is cancelled, each is published by itself', async () => {
  const { database, server, holder } = await start();
  const publications = [...times(10, {}), { channel: 'presence' }, ...times(10, { key: 'k' }), { channel: 'held:2' }];
  const { first, others } = await gather(server, database, publications);
  await release(holder, 1);
  assert.equal((await first).status, 201);
  await areWaiting(database, 1, 'http_publish_many(');
  await database.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${kOfPool}`);
  assert.deepEqual(await statuses(others.slice(0, -1)), [...times(10, 201), 403, ...times(10, 201)]);
  await areWaiting(database, 1, 'http_publish(');
  await release(holder, 2);
  assert.equal((await others.at(-1)).status, 201);
  assert.equal((await database.log({ channels: ['news'] })).length, 11);
  await holder.end();
});

test('when their COMMIT fails because of one of them, the others are published', async () => {
  const { database, server, holder } = await start({
    sql: `CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too late'; END $$;
      CREATE CONSTRAINT TRIGGER fail_late AFTER INSERT ON pgevents.log DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.channel_id = 'late') EXECUTE FUNCTION fail_late()`,
  });
  const { first, others } = await gather(server, database, [...times(5, {}), { channel: 'late' }, { key: 'k' }]);
  await release(holder, 1);
  assert.deepEqual(await statuses([first, ...others]), [...times(6, 201), 500, 201]);
  assert.equal((await database.log({ channels: ['news', 'late'] })).length, 6);
  await holder.end();
});

test('publications that wait during a reload are published by the old worker', async () => {
  const { database, server, holder } = await start();
  const { first, others } = await gather(server, database, times(20, {}));
  const old = await server.nginx.reload();
  await areWaiting(database, 1);
  await release(holder, 1);
  assert.deepEqual(await statuses([first, ...others]), times(21, 201));
  await server.nginx.waitGone(old);
  assert.equal(await transactions(database), 1);
  await holder.end();
});

test('100 publications at once over one HTTP/2 connection are published in few transactions', async () => {
  const { database, server, holder } = await start();
  const session = http2.connect(`http://127.0.0.1:${server.nginx.ports[1]}`);
  const post = (n) => new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/rt/events/news?user=1' });
    let body = '';
    let status;
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.setEncoding('utf8').on('data', (chunk) => { body += chunk; }).on('error', reject)
      .on('end', () => resolve({ status, body }));
    stream.end(`{"type":"made","data":${n},"ttl":${n % 10 === 0 ? 0 : 9}}`);
  });
  const answers = await Promise.all(range(1, 100).map(post));
  for (const [n, { status, body }] of answers.entries()) {
    assert.equal(status, (n + 1) % 10 === 0 ? 400 : 201, body);
  }
  const log = await database.log({ channels: ['news'] });
  assert.equal(log.length, 90);
  const byId = new Map(log.map(({ id, data }) => [id, data]));
  for (const [n, { status, body }] of answers.entries()) {
    if (status === 201) assert.equal(byId.get(JSON.parse(body).id), String(n + 1));
  }
  assert.ok(await transactions(database) <= 30, `${await transactions(database)} transactions`);
  session.close();
  await holder.end();
});

test('a schema before version 10 gets one statement for each publication', async () => {
  const { database, server, holder } = await start({
    pool: 2,
    sql: `CREATE OR REPLACE FUNCTION pgevents.schema_version() RETURNS TABLE (version int, serves_from int)
        LANGUAGE sql AS 'SELECT 9, 7';
      DROP FUNCTION pgevents.http_publish_many(jsonb)`,
  });
  const first = publish(server, { channel: 'held:1' });
  await areWaiting(database, 1);
  const others = range(1, 20).map((n) => publish(server, { key: `k${n}` }));
  assert.deepEqual(await statuses(others), times(20, 201)); // beside the first
  await release(holder, 1);
  assert.equal((await first).status, 201);
  assert.equal(await transactions(database), 20);
  await holder.end();
});

test('if the function disappears, as when an older schema is restored, each is published by itself', async () => {
  const { database, server, holder } = await start();
  const { first, others } = await gather(server, database, range(1, 20).map((n) => ({ key: `k${n}` })));
  await database.query('DROP FUNCTION pgevents.http_publish_many(jsonb)');
  await release(holder, 1);
  assert.deepEqual(await statuses([first, ...others]), times(21, 201));
  assert.equal(await transactions(database), 20);
  await holder.end();
});
