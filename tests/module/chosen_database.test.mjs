// A map of the request's identity chooses the database: the token's realm or user count there whether or not the token
// was revoked, because only the chosen database knows that. Otherwise another one would accept a revoked token.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { parsePollBody } from '../lib/wire.mjs';

const key = secretKey();
const dir = tempDir('chosen');
fs.chmodSync(dir, 0o755);
const keyFile = path.join(dir, 'key');
fs.writeFileSync(keyFile, key.text);

const cluster = await startCluster();
const databases = {};
for (const name of ['one', 'two']) {
  databases[name] = await cluster.createDatabase({ name });
  await databases[name].publish('c', 'made', name);
  const fallback = await startFallback({ conninfo: databases[name].conninfo(), processes: 1, args: ['--jwt-key', keyFile] });
  fs.symlinkSync(fallback.socket, path.join(dir, `${name}.sock`));
  databases[name].fallback = fallback;
}
const passed = () => databases.one.fallback.nginxLines({ base: '/off' })
  .replace(databases.one.fallback.socket, `${dir}/$by_realm.sock`);
const nginx = await startNginx({ workers: 1, http: (n) => `
  pgevents_database one "${databases.one.conninfo()}" ring=1m;
  pgevents_database two "${databases.two.conninfo()}" ring=1m;
  pgevents_subscribe "*";
  pgevents_jwt_key ${keyFile};
  map $pgevents_realm $by_realm { volatile; default one; dairy two; }
  map $pgevents_user $by_user { volatile; default one; 20 two; 21 two; }
  limit_conn_zone $pgevents_user_key zone=users:1m;
  server {
    listen ${n.listen()};
    limit_conn users 9;
    location /realm/ { pgevents $by_realm; }
    location /user/ { pgevents $by_user; }
    location /off/ { pgevents off; ${passed()} }
  }` });
await nginx.waitListening('one', 'two');

const ask = (location, user, realm) => request({
  port: nginx.port, path: `/${location}/events/c?flavor=poll&last_event_id=0`,
  headers: { Authorization: `Bearer ${signToken({ sub: user, realm, iat: inSeconds(-10), exp: inSeconds(600) }, { key })}` },
});

// Location, user and realm of a token, the database that serves it.
const kCases = [
  ['realm', '10', 'dairy', 'two'],
  ['realm', '10', 'shop', 'one'],
  ['user', '20', 'shop', 'two'],
  ['user', '30', 'shop', 'one'],
  ['off', '11', 'dairy', 'two'],
  ['off', '11', 'shop', 'one'],
];

for (const [location, user, realm, name] of kCases) {
  test(`/${location}/: a token of ${user} in ${realm} goes to ${name}, also when that has revoked it`, async () => {
    const answer = await ask(location, user, realm);
    assert.deepEqual(parsePollBody(answer.body).map(({ data }) => JSON.parse(data)), [name]);
    await databases[name].query('SELECT pgevents.revoke($1)', [user]);
    await waitFor(async () => (await ask(location, user, realm)).status !== 200, { what: 'a rejection' });
    assert.equal((await ask(location, user, realm)).json().code, 'TOKEN_REVOKED');
    await databases[name].query(`SELECT pgevents.revoke($1, '-infinity')`, [user]);
    await waitFor(async () => (await ask(location, user, realm)).status === 200, { what: 'the end of the revocation' });
  });
}

test('no value depends on itself', () => {
  assert.doesNotMatch(nginx.logText(), /cycle while evaluating|depends on itself/);
});
