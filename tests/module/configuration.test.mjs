// What nginx says about the module's directives: good ones are taken, bad ones refused with a reason, at nginx -t already.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Nginx } from '../lib/nginx.mjs';

const kInfo = 'host=/tmp dbname=nowhere';
const kNginx = { workers: 1, loadModule: true, modules: [], main: '', events: '' };

// nginx -t of a configuration: [did it pass, what was said].
async function check(http) {
  const nginx = new Nginx(kNginx);
  await nginx.configure(http);
  return nginx.test();
}

const inServer = (text, database = `pgevents_database main "${kInfo}";`) => `${database} server { listen 127.0.0.1:1; ${text} }`;

async function accepted(http) {
  const [passed, said] = await check(http);
  assert.ok(passed, said);
}

async function refused(http, reason) {
  const [passed, said] = await check(http);
  assert.equal(passed, false, `accepted: ${http}`);
  assert.match(said, /\[emerg\]/);
  assert.match(said, reason);
}

test('every directive is taken with all its parameters', () => accepted(inServer(`
  pgevents_timeout 1m; pgevents_heartbeat 5s; pgevents_retry 500ms; pgevents_poll_interval 10s; pgevents_max_channels 5;
  pgevents_channel_pattern "[a-z]{1,10}"; pgevents_max_event_size 64k;
  pgevents_subscribe "a b*"; pgevents_publish $arg_publish;
  location / { pgevents main; }
  location /off/ { pgevents off; }
  location /variable/ { pgevents $arg_database; pgevents_timeout 2m; }`,
`pgevents_database main "${kInfo}" connections=3 ring=64k preload=0 sweep=5s prune=off;
 pgevents_database other "postgresql://%2Ftmp/nowhere" ring=1m prune=10m;`)));

test('the directives stand at each level', () => accepted(`
  pgevents_database main "${kInfo}"; pgevents main; pgevents_subscribe "*"; pgevents_timeout 5s;
  server { listen 127.0.0.1:1; pgevents off; pgevents_publish "*"; location / { if ($arg_x) { pgevents main; } } }`));

test('databases stand in http only', async () => {
  await refused(inServer(`pgevents_database inner "${kInfo}";`), /not allowed here/);
  await refused(inServer(`location / { pgevents_database inner "${kInfo}"; }`), /not allowed here/);
});

test('a database has a name of its own', async () => {
  await refused(inServer('', `pgevents_database main "${kInfo}"; pgevents_database main "${kInfo}";`), /"main" is taken/);
  await refused(inServer('', `pgevents_database off "${kInfo}";`), /"off" is taken/);
});

test('a connection string that libpq does not understand is refused, without repeating what may be a password', async () => {
  for (const text of ['hots=/tmp', 'host=/tmp password s3cret', 'postgresql://me:s3cret@[::1/x']) {
    const [passed, said] = await check(inServer('', `pgevents_database main "${text}";`));
    assert.equal(passed, false);
    assert.match(said, /\[emerg\] pgevents: the connection string .* is not valid in .*nginx.conf:[0-9]+/);
    assert.doesNotMatch(said, /s3cret/);
  }
});

for (const parameter of ['ring=1k', 'ring=', 'ring=x', 'connections=0', 'connections=-1', 'preload=x', 'sweep=0', 'prune=never', 'foo=1', 'foo']) {
  test(`${parameter} is refused`, async () => {
    await refused(inServer('', `pgevents_database main "${kInfo}" ${parameter};`), new RegExp(`invalid parameter "${parameter}"`));
  });
}

for (const directive of ['pgevents_timeout x', 'pgevents_heartbeat', 'pgevents_retry 1s 2s', 'pgevents_max_channels many',
  'pgevents_max_event_size x', 'pgevents', 'pgevents_database main']) {
  test(`"${directive}" is refused`, () => refused(inServer(`location / { ${directive}; }`), /pgevents/));
}

test('a pattern that PCRE2 does not compile is refused with the place of its fault', async () => {
  await refused(inServer('location / { pgevents main; pgevents_channel_pattern "[a-z"; }'), /channel pattern "\[a-z": .* at offset [0-9]+/);
});

test('a directive given twice is refused', async () => {
  await refused(inServer('location / { pgevents_timeout 1s; pgevents_timeout 2s; }'), /is duplicate/);
});
