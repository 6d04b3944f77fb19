// In pg_stat_activity an administrator can tell the sessions of pgevents from each other, and from those of other
// servers: the operator's own application_name is the beginning of their names.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { kServerUser } from '../lib/database.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
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
