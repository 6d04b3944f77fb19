// Readiness (pgevents_ready): 200 only while the log is followed and the host is not being drained, and the reason when
// it is not.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor, within } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
const other = await cluster.createDatabase();
const http = `pgevents_database other "${other.conninfo()}" ring=64k sweep=100ms;`;
const drained = path.join(tempDir('drain'), 'drain');
const server = await startModuleServer({
  database, workers: 1, parameters: 'sweep=100ms', http,
  server: `
    location = /ready { pgevents_ready; }
    location = /main { pgevents_ready main max_lag=400ms; }
    location = /other { pgevents_ready other; }
    location = /drained { pgevents_ready drain=${drained}; }
    location = /main-drained { pgevents_ready main drain=${drained}; }
    location = /relative { pgevents_ready drain=conf/drain; }
    location = /no-file { pgevents_ready drain=${drained}/x/drain; }`,
});
const { nginx, port } = server;
await nginx.waitListening('other');

const get = (where, options) => request({ port, path: where, ...options });
const becomes = (where, status) =>
  waitFor(async () => {
    const answer = await get(where);
    return answer.status === status && answer;
  }, { what: `${status} at ${where}` });

// What `where` reports of the database main, without anything of its connection.
const says = (where, text) => waitFor(async () => {
  const { status, body } = await get(where);
  assert.doesNotMatch(body, new RegExp(`${cluster.dir}|${database.name}|postgres`));
  return status === 503 && body.split('\n').includes(`main: ${text}`);
}, { what: async () => `"${text}" in "${(await get(where)).body}"` });

test('a database that is followed', async () => {
  for (const where of ['/ready', '/main', '/other']) {
    const answer = await becomes(where, 200);
    assert.equal(answer.body, 'ready\n');
    assert.deepEqual([answer.headers['cache-control'], answer.headers['retry-after']], ['no-store', undefined]);
  }
  const head = await get('/ready', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body], [200, '']);
  const post = await get('/ready', { method: 'POST', body: 'x' });
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
});

// Nothing else tells that the listener is stuck: its connection is good.
test('a log that cannot be read for longer than max_lag', async () => {
  const client = await database.connect('postgres');
  await client.query('BEGIN; LOCK TABLE pgevents.log IN ACCESS EXCLUSIVE MODE');
  const late = await becomes('/main', 503);
  assert.match(late.body, /^main: the log was last read [0-9]+ ms ago\n$/);
  assert.deepEqual([late.headers['retry-after'], late.headers['content-type']], ['1', 'text/plain; charset=utf-8']);
  assert.equal((await get('/other')).status, 200);
  await client.query('COMMIT');
  await client.end();
  await becomes('/main', 200);
});

test('a database that is away, alone or with others', async () => {
  await cluster.stop('fast');
  const away = await becomes('/ready', 503);
  await becomes('/other', 503);
  assert.equal((await becomes('/ready', 503)).headers['retry-after'], '1');
  assert.match(away.body, /^main: no listener follows the log: it (lost the connection|cannot connect) to the database$/m);
  await says('/ready', 'no listener follows the log: it cannot connect to the database');
  await cluster.start();
  await becomes('/ready', 200);
});

// The error log has PostgreSQL's reason and the command.
for (const [what, spoil, repair, text] of [
  ['has no schema', 'ALTER SCHEMA pgevents RENAME TO elsewhere', 'ALTER SCHEMA elsewhere RENAME TO pgevents',
    'the schema is missing, has another version, or its role has no rights there'],
  ['rejects a statement', 'ALTER FUNCTION pgevents.log_after(bigint, int) RENAME TO elsewhere',
    'ALTER FUNCTION pgevents.elsewhere(bigint, int) RENAME TO log_after', 'the database rejects its statement'],
]) {
  test(`a database that ${what}`, async () => {
    await database.query(spoil);
    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
      AND application_name = 'pgevents listener'`);
    await says('/main', `no listener follows the log: ${text}`);
    assert.equal((await get('/other')).status, 200);
    await database.query(repair);
    await becomes('/main', 200);
  });
}

// nginx has begun to read the request, so it keeps the connection. A connection without a request it closes.
test('a worker that leaves', async () => {
  const socket = net.connect(port, '127.0.0.1');
  const received = [];
  socket.on('data', (bytes) => received.push(bytes));
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.write('GET /ready HTTP/1.1\r\nHo');
  await becomes('/ready', 200); // the only worker has read the beginning by now
  await nginx.reload();
  await waitFor(() => nginx.logText().includes('gracefully shutting down'), { what: 'a worker that leaves' });
  socket.write('st: x\r\n\r\n');
  await within(ended, 30_000, 'the end of the connection');
  const text = Buffer.concat(received).toString();
  assert.match(text, /^HTTP\/1.1 503 /);
  assert.match(text, /main: this process leaves\nother: this process leaves\n$/);
});

test('a host that is being drained is not ready, and goes on serving', async () => {
  const stream = server.stream('cheese');
  await stream.opened();
  assert.equal((await get('/drained')).status, 200);
  fs.writeFileSync(drained, '');
  const answer = await get('/drained');
  assert.equal(answer.body, 'main: this nginx is being drained\nother: this nginx is being drained\n');
  assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1']);
  assert.equal((await get('/main-drained')).body, 'main: this nginx is being drained\n');
  assert.equal((await get('/ready')).status, 200, 'a location without the file');
  const id = await database.publish('cheese', 'made', 1);
  await stream.waitForEvents(1);
  const { status, headers } = await server.get('cheese', { query: { flavor: 'poll', last_event_id: id } });
  assert.deepEqual([status, headers['last-event-id']], [200, String(id)]);
  await nginx.waitGone(await nginx.reload());
  assert.equal((await becomes('/drained', 503)).body, answer.body, 'after a reload');
  fs.rmSync(drained);
  await becomes('/drained', 200);
  await stream.close();
});

test('a file of drain= is relative to the prefix, and absent if its directory is', async () => {
  assert.equal((await get('/no-file')).status, 200);
  const file = path.join(nginx.dir, 'conf/drain');
  assert.equal((await get('/relative')).status, 200);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, '');
  assert.equal((await get('/relative')).status, 503);
  fs.rmSync(file);
  assert.equal((await get('/relative')).status, 200);
});
