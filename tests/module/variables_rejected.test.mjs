// The variables of a request with a bad token: each use of one asks for the user, but the token is verified once, and
// another token of the same request is not mistaken for it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, rsaKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const [key, otherKey] = [rsaKey('RS256', 4096), rsaKey('RS256', 4096)];
const dir = tempDir('rejected');
fs.writeFileSync(path.join(dir, 'key'), key.text);
fs.writeFileSync(path.join(dir, 'other'), otherKey.text);

const kKeys = 16;  // a token that names none is verified with each
const kUses = 60;
const server = await startModuleServer({
  database, workers: 1,
  http: 'limit_conn_zone $pgevents_user_key zone=keys:1m;',
  location: 'limit_conn keys 10; add_header X-User "<$pgevents_user>" always;',
  server: `
    pgevents_subscribe "*";
    pgevents_jwt_query on;
    ${range(1, kKeys).map((n) => `pgevents_jwt_key ${path.join(dir, 'key')} kid=k${n} alg=RS256;`).join('\n')}
    location = /status { pgevents_status; }
    location /once/ { pgevents main; set $user $pgevents_user; return 200 "<$user>"; }
    location /many/ { pgevents main; ${'set $user $pgevents_user; '.repeat(kUses)} return 200 "<$user>"; }
    location /changed/ {
      pgevents main;
      if ($pgevents_user = "") { rewrite ^/changed/(.*)$ /rt/$1?flavor=poll&access_token=$arg_next? last; }
    }
    location /theirs/ { pgevents main; if ($pgevents_user = "") { rewrite ^/theirs/(.*)$ /ours/$1 last; } }
    location /ours/ {
      pgevents main; pgevents_jwt_key ${path.join(dir, 'other')}; add_header X-User "<$pgevents_user>" always;
    }
    location /same/ { pgevents main; if ($pgevents_user = "") { rewrite ^/same/(.*)$ /rt/$1 last; } }`,
});
const { nginx, port } = server;

const token = (user, by = key) => signToken({ sub: user, iat: inSeconds(-10), exp: inSeconds(600) }, { key: by });
const get = (where, text) =>
  request({ port, path: where, headers: text === undefined ? {} : { Authorization: `Bearer ${text}` } });
const answerTo = async (where, text) => {
  const { status, headers } = await get(where, text);
  return [status, headers['x-user']];
};

// The processor time of the worker, in the kernel's ticks.
function ticks() {
  const stat = fs.readFileSync(`/proc/${nginx.workers()[0]}/stat`, 'latin1');
  const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);
  return Number(user) + Number(system);
}

test('a bad token is verified once, however often its user is asked for', async () => {
  const bad = token('10', otherKey);
  let [once, many] = [0, 0];
  while (once < 40) {
    const start = ticks();
    for (let n = 0; n < kUses; ++n) assert.equal((await get('/once/', bad)).body, '<>');
    const middle = ticks();
    assert.equal((await get('/many/', bad)).body, '<>');
    once += middle - start;
    many += ticks() - middle;
  }
  assert.ok(many < once / 4, `ticks: ${kUses} requests took ${once}, one with ${kUses} uses of the variable ${many}`);
});

test('it counts as one failure', async () => {
  const failures = async () =>
    (await readMetrics({ port, path: '/status' })).value('auth_failures_total', { reason: 'signature' });
  const before = await failures();
  assert.deepEqual(await answerTo('/rt/events/x?flavor=poll', token('10', otherKey)), [401, '<>']);
  assert.deepEqual(await answerTo('/same/events/x?flavor=poll', token('10', otherKey)), [401, '<>']);
  assert.equal(await failures(), before + 2);
});

test('another token in rewritten arguments is verified', async () => {
  const [good, bad] = [token('10'), token('10', otherKey)];
  assert.deepEqual(await answerTo(`/changed/events/x?access_token=${bad}&next=${good}`), [200, '<10>']);
  assert.deepEqual(await answerTo(`/changed/events/x?access_token=${bad}&next=${bad}`), [401, '<>']);
});

test('the same token is verified with the keys of the location that it is redirected to', async () => {
  assert.deepEqual(await answerTo('/theirs/events/x?flavor=poll', token('10', otherKey)), [200, '<10>']);
});

after(() => nginx.stop());
