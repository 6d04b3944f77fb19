// Sessions as an administrator sees them: their names in pg_stat_activity tell them from each other and from those of
// other servers, and timeouts that are set for their role do not disturb them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { startNginx } from '../lib/nginx.mjs';

const kLong = 'n'.repeat(63);
// [application_name in the connection string, the beginning of the sessions' names for a role of that length]
const kNames = {
  plain: [undefined, () => 'pgevents '],
  own: ['shop eu-1', () => 'shop eu-1 '],
  long: [kLong, (role) => `${kLong.slice(0, 62 - role.length)} `],
  empty: [' ', () => ''],
  kept: ['shop pool', () => 'shop '],
};
let database;
let nginx;

before(async () => {
  database = await (await sharedCluster()).createDatabase();
  const databases = [];
  const locations = [];
  for (const [key, [name]] of Object.entries(kNames)) {
    const conninfo = `${database.conninfo()}${name === undefined ? '' : ` application_name='${name}'`}`;
    const fallback = await startFallback({ conninfo, processes: 1 });
    databases.push(`pgevents_database ${key} "${conninfo}" ring=64k presence=off;`);
    locations.push(`
      location /module/${key}/ { pgevents ${key}; pgevents_subscribe "*"; }
      location /fallback/${key}/ { ${fallback.nginxLines({ base: `/fallback/${key}` })} }`);
  }
  nginx = await startNginx({
    workers: 1,
    http: (n) => `${databases.join('\n')} server { listen ${n.listen()}; ${locations.join('\n')} }`,
  });
  await nginx.waitListening(...Object.keys(kNames));
});

const sessions = async () => (await database.query(`SELECT DISTINCT application_name AS name FROM pg_stat_activity
  WHERE usename = $1`, [kServerUser])).map((row) => row.name);

test('sessions have the names of their roles, behind the name that the operator has given', async () => {
  for (const [key, [, prefix]] of Object.entries(kNames)) {
    for (const front_end of ['module', 'fallback']) {
      const path = `/${front_end}/${key}/events/news?flavor=poll&last_event_id=rt-1`;
      assert.equal((await request({ port: nginx.port, path })).status, 200);
    }
    const names = await sessions();
    for (const role of ['listener', 'pool', 'fallback']) {
      assert.ok(names.includes(prefix(role) + role), `${key}, ${role}: ${names}`);
    }
  }
  assert.equal((await sessions()).length, 3 * Object.keys(kNames).length, 'no session has another name');
});

test('timeouts of the role that are longer than the sweep do not end the listener', async () => {
  const settings = ['idle_in_transaction_session_timeout', 'statement_timeout', 'lock_timeout'];
  if (await database.value("SELECT current_setting('server_version_num')::int") >= 140000) settings.push('idle_session_timeout');
  for (const name of settings) await database.query(`ALTER ROLE ${kServerUser} SET ${name} = '700ms'`);
  const server = await startModuleServer({ database, workers: 1, parameters: 'sweep=100ms' });
  const started = Date.now();
  const begun = await database.value(`SELECT max(backend_start) FROM pg_stat_activity WHERE application_name ~ 'listener$'`);
  const stream = server.stream('news', { cursor: await database.head() });
  for (let n = 0; Date.now() - started < 2_500; n++) {
    await database.publish('news', 'made', n);
    await stream.waitForEvents(n + 1);
  }
  await stream.close();
  const now = await database.value(`SELECT max(backend_start) FROM pg_stat_activity WHERE application_name ~ 'listener$'`);
  assert.deepEqual(now, begun, 'the same session');
  assert.doesNotMatch(server.nginx.logText(), /is not served/);
});
