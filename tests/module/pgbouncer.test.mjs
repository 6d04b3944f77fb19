// A pooler between the front-ends and the database. With transaction pooling no notification arrives, and the module
// reports that instead of serving late; with session pooling the module works, and the fallback works with both.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import pg from 'pg';

import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { locationText } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { freePort } from '../lib/ports.mjs';
import { signalIfAlive, waitGone } from '../lib/processes.mjs';
import { tempDir } from '../lib/scratch.mjs';

const cluster = await sharedCluster();
const database = await cluster.createDatabase();

// Starts a pgbouncer in front of the database. Gives its connection string.
async function startBouncer(mode) {
  const dir = tempDir('bouncer');
  const port = await freePort();
  const users = path.join(dir, 'users');
  fs.writeFileSync(users, `"${kServerUser}" ""\n`);
  const file = path.join(dir, 'pgbouncer.ini');
  fs.writeFileSync(file, `[databases]
* = host=${cluster.dir} port=${cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = 20
`);
  fs.chmodSync(dir, 0o755);
  const log = fs.openSync(path.join(dir, 'log'), 'a');
  const user = process.getuid() === 0 ? ['-u', 'postgres'] : [];
  const child = spawn('/usr/sbin/pgbouncer', [...user, file], { stdio: ['ignore', log, log] });
  atEnd(async () => {
    signalIfAlive(child.pid, 'SIGINT');
    await waitGone([child.pid], 'pgbouncer');
  });
  await waitFor(async () => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: kServerUser, database: database.name });
    client.on('error', () => {});
    await client.connect();
    await client.end();
    return true;
  }, { what: 'pgbouncer' });
  return `host=127.0.0.1 port=${port} dbname=${database.name} user=${kServerUser}`;
}

const startModule = (conninfo) => startNginx({
  workers: 1,
  http: (n) => `
    pgevents_database main "${conninfo}" ring=1m;
    server { listen ${n.listen()}; location = /ready { pgevents_ready; } ${locationText()} }`,
});

const poll = (port, cursor, query = '') => request({ port, path: `/rt/events/news?last_event_id=${cursor}${query}` });

test('with transaction pooling the module logs why it does not serve', async () => {
  const nginx = await startModule(await startBouncer('transaction'));
  await waitFor(() => /no notification arrives.*transaction pooling/.test(nginx.logText()),
    { what: 'the reason in the log' });
  assert.match(nginx.logText(), /\[error\].*database "main" is not served: no notification arrives/);
  assert.equal((await poll(nginx.port, 0, '&flavor=poll')).status, 503);
  assert.deepEqual((await request({ port: nginx.port, path: '/ready' })).body,
    'main: no listener follows the log: notifications do not arrive, a pooler shares its session\n');
});

test('with session pooling the module serves, and events arrive at once', async () => {
  const nginx = await startModule(await startBouncer('session'));
  await nginx.waitListening();
  const cursor = await database.head();
  const answer = poll(nginx.port, cursor);
  const id = await database.publish('news', 'made', 1);
  assert.deepEqual((await answer).json().map((event) => event.id), [id]);
});

test('with transaction pooling the fallback publishes and reads', async () => {
  const conninfo = await startBouncer('transaction');
  const fallback = await startFallback({ conninfo, processes: 4 });
  const nginx = await startNginx({
    loadModule: false,
    http: (n) => `server { listen ${n.listen()}; location /rt/ { ${fallback.nginxLines({ base: '/rt' })} } }`,
  });
  const publish = () => request({ port: nginx.port, path: '/rt/events/bounced', method: 'POST',
    body: '{"type":"made"}' });
  for (let round = 0; round < 10; ++round) {
    const answers = await Promise.all([...Array(8).keys()].map((n) => (n % 2 ? publish() : poll(nginx.port, 0))));
    assert.deepEqual(answers.map(({ status }) => status), [200, 201, 200, 201, 200, 201, 200, 201]);
  }
  assert.equal(await database.value("SELECT count(*) FROM pgevents.log WHERE channel_id = 'bounced'"), 40);
});

test('the log reports events that come without a notification', async () => {
  const other = await cluster.createDatabase();
  const nginx = await startNginx({
    workers: 1,
    http: (n) => `
      pgevents_database main "${other.conninfo()}" ring=1m sweep=200ms;
      server { listen ${n.listen()}; ${locationText()} }`,
  });
  await nginx.waitListening();
  const cursor = await other.head();
  const id = await other.appendSilently('news', 'made', 1);
  assert.deepEqual((await poll(nginx.port, cursor)).json().map((event) => event.id), [id]);
  await waitFor(() => /\[error\].*came without a notification/.test(nginx.logText()), { what: 'the warning' });
});
