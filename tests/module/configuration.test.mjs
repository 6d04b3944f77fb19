// The module's directives: nginx -t accepts valid ones and rejects invalid ones with a reason.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Nginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { ecKey, rsaKey, secretKey } from '../lib/tokens.mjs';

const kInfo = 'host=/tmp dbname=nowhere';
const kNginx = { workers: 1, loadModule: true, modules: [], main: '', events: '' };

// Runs nginx -t on a configuration. Gives [did it pass, nginx's output]. `files` are written beside nginx.conf, as {
// name: content }.
async function check(http, files = {}) {
  const nginx = new Nginx(kNginx);
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(nginx.dir, name), content);
  await nginx.configure(http);
  return nginx.test();
}

const inServer = (text, database = `pgevents_database main "${kInfo}";`) =>
  `${database} server { listen 127.0.0.1:1; ${text} }`;

async function accepted(http, files) {
  const [passed, said] = await check(http, files);
  assert.ok(passed, said);
}

// Asserts that nginx rejects a configuration. Gives nginx's output.
async function rejected(http, reason, files) {
  const [passed, said] = await check(http, files);
  assert.equal(passed, false, `accepted: ${http}`);
  assert.match(said, /\[emerg\]/);
  assert.match(said, reason);
  return said;
}

test('accepts every directive with all its parameters', () => accepted(inServer(`
  pgevents_timeout 1m; pgevents_heartbeat 5s; pgevents_retry 500ms; pgevents_poll_interval 10s; pgevents_max_channels 5;
  pgevents_channel_pattern "[a-z]{1,10}"; pgevents_max_event_size 64k; pgevents_release_request on;
  pgevents_subscribe "a b*"; pgevents_publish $arg_publish;
  location / { pgevents main; }
  location /off/ { pgevents off; }
  location /variable/ { pgevents $arg_database; pgevents_timeout 2m; }`,
`pgevents_database main "${kInfo}" connections=3 ring=64k preload=0 sweep=5s prune=off unresolved=warn;
 pgevents_database other "postgresql://%2Ftmp/nowhere" ring=1m prune=10m;`)));

test('accepts the directives at each level', () => accepted(`
  pgevents_database main "${kInfo}"; pgevents main; pgevents_subscribe "*"; pgevents_timeout 5s;
  server { listen 127.0.0.1:1; pgevents off; pgevents_publish "*"; location / { if ($arg_x) { pgevents main; } } }`));

test('accepts pgevents_database in http only', async () => {
  await rejected(inServer(`pgevents_database inner "${kInfo}";`), /not allowed here/);
  await rejected(inServer(`location / { pgevents_database inner "${kInfo}"; }`), /not allowed here/);
});

test('rejects a database name that is already used, or reserved', async () => {
  await rejected(inServer('', `pgevents_database main "${kInfo}"; pgevents_database main "${kInfo}";`),
    /"main" is already used/);
  await rejected(inServer('', `pgevents_database off "${kInfo}";`), /"off" is reserved/);
});

for (const [parameters, values] of [
  [['connections=0', 'connections=-1', 'connections=1001', 'connections=2x', 'connections=99999999999999999999', 'connections'],
    'connections= takes a number from 1 to 1000'],
  [['ring=1k', 'ring=', 'ring=x', 'ring=1g', 'ring=1m ', 'ring=9999999m'],
    'ring= takes a size from 64k to 1048576m, in bytes or with the unit k or m'],
  [['preload=x', 'preload=10000001'], 'preload= takes a number of events from 0 to 10000000'],
  [['sweep=0', 'sweep=2d', 'sweep=10x', 'sweep=99ms'],
    'sweep= takes a time from 100ms to 1d, with the unit ms, s, m, h or d'],
  [['prune=never', 'prune=2d', 'prune='], 'prune= takes a time from 100ms to 1d, with the unit ms, s, m, h or d, or off'],
  [['presence=yes', 'presence='], 'presence= takes on or off'],
  [['unresolved=', 'unresolved=on', 'unresolved=warn '], 'unresolved= takes error or warn'],
  [['foo=1', 'foo', 'conections=2', 'Ring=1m', '=1'],
    'the parameters are connections, ring, preload, sweep, prune, presence, unresolved, primary'],
]) {
  test(`rejects ${parameters.map((text) => `"${text}"`).join(', ')}: ${values}`, async () => {
    for (const parameter of parameters) {
      const line = `pgevents: invalid parameter "${parameter}"; ${values} in /`;
      await rejected(inServer('', `pgevents_database main "${kInfo}" "${parameter}";`), new RegExp(line));
    }
  });
}

test('rejects a parameter of a database that is given twice', async () => {
  const repeated = [['ring=1m', 'ring=1m'], ['connections=2', 'connections=3'], ['prune=off', 'prune=1m']];
  for (const [first, second] of repeated) {
    const line = `pgevents_database main "${kInfo}" ${first} sweep=1s ${second};`;
    await rejected(inServer('', line), new RegExp(`duplicate parameter "${second}"`));
  }
});

for (const [directive, value, range] of [
  ['timeout', '2d', '0 to 1d'], ['heartbeat', '0', '1s to 1d'], ['heartbeat', '999ms', '1s to 1d'], ['retry', '0',
    '10ms to 1d'],
  ['poll_interval', '0', '1s to 1d'], ['poll_interval', '2d', '1s to 1d'], ['max_channels', '0', '1 to 10000'],
  ['max_channels', '10001', '1 to 10000'], ['max_event_size', '0', '1 to 1024m'], ['max_event_size', '2048m',
    '1 to 1024m'],
  ['jwt_leeway', '2d', '0 to 1d'],
]) {
  test(`rejects "pgevents_${directive} ${value}", which is out of range`, () =>
    rejected(inServer(`location / { pgevents_${directive} ${value}; }`),
      new RegExp(`"${value}" is out of range; give a value from ${range}`)));
}

for (const directive of ['pgevents_timeout x', 'pgevents_heartbeat', 'pgevents_retry 1s 2s', 'pgevents_max_channels many',
  'pgevents_max_event_size x', 'pgevents_release_request maybe', 'pgevents', 'pgevents_database main']) {
  test(`rejects "${directive}"`, () => rejected(inServer(`location / { ${directive}; }`), /pgevents/));
}

test('rejects a pattern that PCRE2 cannot compile, with the offset of the error', async () => {
  const reason = /channel pattern "\[a-z": .* at offset [0-9]+/;
  await rejected(inServer('location / { pgevents main; pgevents_channel_pattern "[a-z"; }'), reason);
});

test('rejects a directive that is given twice', async () => {
  await rejected(inServer('location / { pgevents_timeout 1s; pgevents_timeout 2s; }'), /is duplicate/);
});

// --- status and readiness ---

test('accepts the locations of status and readiness, with databases that are named later', () => accepted(`
  pgevents main; pgevents_allow_origin https://a.example;
  server {
    listen 127.0.0.1:1;
    location = /1 { pgevents_status; }
    location = /2 { pgevents_status main format=prometheus channels=on; if ($arg_x) { add_header X-Y z; } }
    location = /3 { pgevents_status format=auto channels=off; pgevents off; }
    location = /4 { pgevents_ready; }
    location = /5 { pgevents_ready main max_lag=30s; }
  }
  pgevents_database main "${kInfo}";`));

for (const [directive, reason] of [
  ['pgevents_status nowhere', /unknown database "nowhere" in \/.*nginx\.conf:\d+; define it by pgevents_database/],
  ['pgevents_ready nowhere', /unknown database "nowhere" in \/.*nginx\.conf:\d+; define it by pgevents_database/],
  ['pgevents_status off', /unknown database "off" in /],
  ['pgevents_status format=xml', /invalid parameter "format=xml"/],
  ['pgevents_status main other', /invalid parameter "other"/],
  ['pgevents_status channels=yes', /invalid parameter "channels=yes"/],
  ['pgevents_status channels=on channels=on', /invalid parameter "channels=on"/],
  ['pgevents_status max_lag=5s', /invalid parameter "max_lag=5s"/],
  ['pgevents_status ""', /invalid parameter ""/],
  ['pgevents_ready max_lag=1ms', /invalid parameter "max_lag=1ms"/],
  ['pgevents_ready max_lag=2d', /invalid parameter "max_lag=2d"/],
  ['pgevents_status; pgevents_status', /"pgevents_status" directive is duplicate/],
  ['pgevents_status; pgevents_ready', /"pgevents_ready" directive needs a location of its own/],
  ['pgevents main; pgevents_status', /"pgevents_status" directive needs a location of its own/],
  ['fastcgi_pass 127.0.0.1:1; pgevents_ready', /"pgevents_ready" directive needs a location of its own/],
]) {
  test(`rejects "${directive}"`, () => rejected(inServer(`location / { ${directive}; }`), reason));
}

for (const directive of ['pgevents_status', 'pgevents_ready']) {
  test(`rejects ${directive} where no database is configured`, () => rejected(
    `server { listen 127.0.0.1:1; location / { ${directive}; } }`,
    new RegExp(`${directive} needs a database; add a pgevents_database`)));
}

// --- access ---

const inLocation = (text) => inServer(`location / { pgevents main; ${text} }`);
const rsa = rsaKey();
const ec = ecKey();
const secret = secretKey();
const kFiles = {
  'a.key': `${secret.text}\n`,
  'rsa.pem': rsa.pem,
  'ec.pem': ec.pem,
  'one.jwk': JSON.stringify(secret.jwk('one')),
  'set.jwk': JSON.stringify({ keys: [rsa.jwk('two'), ec.jwk('three')] }),
};

test('accepts the directives of access with all their parameters, at each level', () => {
  const text = `
    pgevents_user $remote_user; pgevents_realm $host; pgevents_subscribe "a {user}.*"; pgevents_publish "$arg_x";
    pgevents_anonymous "*";
    pgevents_jwt_key a.key; pgevents_jwt_key rsa.pem kid=r alg=RS512; pgevents_jwt_key ec.pem alg=ES256 kid=e;
    pgevents_jwt_key one.jwk; pgevents_jwt_key set.jwk; pgevents_jwt_cookie __Host-session; pgevents_jwt_query on;
    pgevents_jwt_audience "https://events.example"; pgevents_jwt_issuer issuer; pgevents_jwt_leeway 5s;
    pgevents_jwt_require_exp off;
    pgevents_allow_origin https://app.example http://localhost:8080 "~https://[a-z]+[.]example"; pgevents_allow_origin * null;`;
  return accepted(`pgevents_database main "${kInfo}"; ${text}
    server { listen 127.0.0.1:1; ${text} location / { pgevents main; ${text} } }`, kFiles);
});

test('accepts a directive at two levels, and an empty one at the lower level', () => accepted(`
  pgevents_database main "${kInfo}"; pgevents_jwt_key a.key; pgevents_jwt_cookie c; pgevents_jwt_audience a;
  pgevents_user $remote_user;
  server { listen 127.0.0.1:1; pgevents_jwt_cookie ""; pgevents_jwt_audience ""; pgevents_user "";
    location / { pgevents main; } }`, kFiles));

test('accepts a pattern that is probably a mistake with a warning, unless it contains a variable', async () => {
  for (const name of ['subscribe', 'publish', 'anonymous']) {
    const [passed, said] = await check(inLocation(`pgevents_${name} "a {usr}.*";`));
    assert.ok(passed, said);
    assert.match(said, /\[warn\] .*pgevents: only \{user\} and \{realm\} are replaced; check pattern '\{usr\}\.\*' in /);
    assert.match(said, /\[warn\] .* in .*nginx\.conf:[0-9]+/);
  }
  assert.match((await check(inLocation('pgevents_subscribe "*.a";')))[1],
    /a '\*' is a wildcard at the end only; check pattern '\*\.a'/);
  assert.match((await check(inLocation('pgevents_subscribe "news,stream:*";')))[1],
    /\[warn\] .*patterns are separated by spaces, a ',' is a part of the name; check pattern 'news,stream:\*' in /);
  assert.doesNotMatch((await check(inLocation('pgevents_subscribe "a* {user}.{realm} $arg_x*y";')))[1], /warn/);
});

const rsaPrivate = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' });
for (const [what, content, reason] of [
  ['a secret that is too short', 'short-but-secret', /too short; it must have at least 32 bytes/],
  ['nothing', '', /key ".*\/bad\.key": /],
  ['a private key', rsaPrivate, /private/],
  ['broken JSON', '{"kty":"oct","k":"c2VjcmV0LWJ1dC1icm9rZW4tc2VjcmV0LWJ1dC1icm9rZW4"', /key ".*\/bad\.key": /],
  ['a JWK of a private kind of key', JSON.stringify({ kty: 'secretkind', k: 'c2VjcmV0' }), /key ".*\/bad\.key": /],
  ['too much', 'secret-'.repeat(200_000), /not a regular file of at most 1 MiB/],
]) {
  test(`rejects a key file with ${what} by its name, without any of its content`, async () => {
    const said = await rejected(inLocation('pgevents_jwt_key bad.key;'), reason, { 'bad.key': content });
    assert.match(said, /\[emerg\] pgevents: key "\/.*\/bad\.key".* in \/.*nginx\.conf:[0-9]+/);
    for (const line of content.split(/[\n",]/).filter((text) => text.length > 6)) assert.ok(!said.includes(line), said);
  });
}

test('rejects a missing key file, and one that is not a file, by its full name', async () => {
  const missing = /open\(\) "\/.*\/none\.key" failed \(2: No such file or directory\) in .*nginx\.conf:[0-9]+/;
  await rejected(inLocation('pgevents_jwt_key none.key;'), missing);
  await rejected(inLocation('pgevents_jwt_key /dev/null;'), /key "\/dev\/null": not a regular file/);
  await rejected(inLocation('pgevents_jwt_key /;'), /key "\/": not a regular file/);
});

test('does not wait for a pipe in the place of a key file', async () => {
  const nginx = new Nginx(kNginx);
  await run('mkfifo', [path.join(nginx.dir, 'pipe.key')]);
  await nginx.configure(inLocation('pgevents_jwt_key pipe.key;'));
  const [passed, said] = await nginx.test();
  assert.equal(passed, false);
  assert.match(said, /pipe\.key": not a regular file/);
});

for (const [parameters, reason] of [
  ['', /invalid number of arguments/],
  ['a.key b.key', /invalid parameter "b\.key"/],
  ['a.key kid=', /invalid parameter "kid="/],
  ['a.key kid=a kid=b', /invalid parameter "kid=b"/],
  ['a.key alg=HS256 alg=HS256', /invalid parameter "alg=HS256"/],
  ['a.key alg=none', /key ".*": /],
  ['a.key alg=RS256', /key ".*": /],
  ['rsa.pem alg=HS256', /key ".*": /],
]) {
  test(`rejects "pgevents_jwt_key ${parameters}"`, () =>
    rejected(inLocation(`pgevents_jwt_key ${parameters};`), reason, kFiles));
}

for (const [directive, reason] of [
  ['pgevents_jwt_cookie "a b"', /"a b" cannot be the name of a cookie/],
  ['pgevents_jwt_cookie a=b', /cannot be the name of a cookie/],
  ['pgevents_jwt_query maybe', /it must be "on" or "off"/],
  ['pgevents_jwt_require_exp 1', /it must be "on" or "off"/],
  ['pgevents_jwt_leeway soon', /invalid value/],
  ['pgevents_jwt_leeway -1', /invalid value/],
  ['pgevents_user', /invalid number of arguments/],
  ['pgevents_user $nowhere', /unknown "nowhere" variable/],
  ['pgevents_user a; pgevents_user b', /is duplicate/],
  ['pgevents_jwt_issuer a; pgevents_jwt_issuer b', /is duplicate/],
  ['pgevents_allow_origin', /invalid number of arguments/],
  ['pgevents_allow_origin app.example', /origin "app\.example": not an origin/],
  ['pgevents_allow_origin https://app.example/', /origin ".*": not an origin/],
  ['pgevents_allow_origin "~["', /origin "~\[": .* at offset [0-9]+/],
]) {
  test(`rejects "${directive}"`, () => rejected(inLocation(`${directive};`), reason));
}
