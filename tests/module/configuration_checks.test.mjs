// What nginx -t reports of mistakes that would otherwise show only when a request comes or the database is asked: names
// of databases, connection strings, hosts, and files that others can read.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { kMayNameHosts, kNginxProgram, Names } from '../lib/names.mjs';
import { Nginx } from '../lib/nginx.mjs';
import { ecKey, secretKey } from '../lib/tokens.mjs';

const kInfo = 'host=/tmp dbname=nowhere';
const kNginx = { workers: 1, loadModule: true, modules: [], main: '', events: '' };
const asRoot = { skip: process.getuid() !== 0 && 'as root only: nginx has another user for its workers then' };

// Runs nginx -t. `files` are written beside nginx.conf: { name: [content, mode] }. Gives [did it pass, nginx's output,
// the directory].
async function check(http, { files = {}, prepare = () => {}, ...options } = {}) {
  const nginx = new Nginx({ ...kNginx, ...options });
  for (const [name, [content, mode]] of Object.entries(files)) {
    fs.writeFileSync(path.join(nginx.dir, name), content);
    fs.chmodSync(path.join(nginx.dir, name), mode);
  }
  await nginx.configure(typeof http === 'function' ? http(nginx) : http);
  prepare(nginx);
  const [passed, said] = await nginx.test();
  return { passed, said, dir: nginx.dir };
}

const database = (info, parameters = '') => `pgevents_database main "${info}" ${parameters};`;
const inServer = (text, before = database(kInfo)) => `${before} server { listen 127.0.0.1:1; ${text} }`;

// --- names of databases ---

for (const [where, text] of [
  ['http', `pgevents mian; ${inServer('')}`],
  ['server', inServer('pgevents mian;')],
  ['a location', inServer('location / { pgevents mian; }')],
  ['a nested location', inServer('location / { pgevents main; location /a { pgevents mian; } }')],
  ['an if block', inServer('location / { if ($arg_x) { pgevents mian; } }')],
  ['a regular expression', inServer('location ~ ^/rt { pgevents mian; }')],
]) {
  test(`rejects an unknown database in ${where}, with file and line`, async () => {
    const { passed, said } = await check(text);
    assert.equal(passed, false);
    assert.match(said, /\[emerg\] .*pgevents: unknown database "mian" in \/.*nginx\.conf:[0-9]+; define it by pgevents_/);
  });
}

test('reports every unknown database', async () => {
  const { said } = await check(inServer('pgevents one; location / { pgevents two; }'));
  assert.match(said, /unknown database "one"/);
  assert.match(said, /unknown database "two"/);
});

test('accepts a database that is defined further down, a name with a variable, off and nothing', async () => {
  const use = `location /a { pgevents later; } location /b { pgevents $arg_name; } location /c { pgevents off; }
    location /d { pgevents ""; } location /e { pgevents "la$arg_name"; }`;
  const { passed, said } = await check(`server { listen 127.0.0.1:1; ${use} } pgevents_database later "${kInfo}";`);
  assert.ok(passed, said);
  assert.doesNotMatch(said, /warn/);
});

// --- connection strings ---

for (const [info, fault] of [
  ['hots=/tmp', 'unknown keyword "hots"'],
  ['host=/tmp password s3cret', '"=" is missing after keyword "password"'],
  ["host=/tmp password='s3cret", 'the quote of a value is not closed; see keyword "password"'],
  ['host=/tmp password=a s3cret', 'a word without "=" behind the value of "password"; quote a value that contains spaces'],
  ['postgresql://me:s3cret@[::1/x', '"]" is missing behind the address of a host'],
  ['postgresql://me:s3cret@h/x?sslmod=require', 'unknown keyword "sslmod"'],
  ['host=/tmp port=54321a password=s3cret', '"port" must be a number from 1 to 65535, or a list of them'],
  ['host=/tmp connect_timeout=5s password=s3cret', '"connect_timeout" must be a whole number'],
  ['host=/tmp sslmode=requier password=s3cret', 'libpq does not accept the value of "sslmode"'],
  ['host=/tmp target_session_attrs=s3cret', 'libpq does not accept the value of "target_session_attrs"'],
]) {
  test(`names the fault of a connection string: ${fault}`, async () => {
    const { passed, said } = await check(inServer('', database(info)));
    assert.equal(passed, false);
    const line = `[emerg] pgevents: the connection string of database "main" is not valid: ${fault}`;
    assert.ok(said.includes(line), said);
    assert.match(said, / in \/.*nginx\.conf:[0-9]+/);
    assert.doesNotMatch(said, /s3cret|requier|54321a/);
  });
}

for (const [info, keyword] of [
  ['host=/tmp dbname=nowhere', 'dbname'],
  ['host=/tmp dbname=nowhere ring=1m', 'dbname'],
  ['host=/tmp ring=1m password=s3cret', 'password'],
  ["host=/tmp application_name='s3cret app' user=me", 'application_name'],
]) {
  test(`says that a connection string needs quotes: ${info}`, async () => {
    const { passed, said } = await check(inServer('', `pgevents_database main ${info};`));
    assert.equal(passed, false);
    const line = `[emerg] pgevents: "${keyword}=" belongs to the connection string; put quotes around all of it, as in `
      + '"host=/run/postgresql dbname=app" in /';
    assert.ok(said.includes(line), said);
    assert.doesNotMatch(said, /s3cret|nowhere/);
  });
}

// --- hosts ---

const withNames = { skip: !kMayNameHosts && 'as root only: nginx needs host names of its own' };

async function checkHosts(parameters, prepare = () => {}) {
  const names = new Names({ db: ['127.0.0.9'] });
  prepare(names);
  return check(inServer('', database('host=db,dc dbname=x', parameters)), { binary: names.wrap(kNginxProgram) });
}

test('rejects a host that does not exist, unless the directive permits it', withNames, async () => {
  for (const parameters of ['', 'unresolved=error']) {
    const { passed, said } = await checkHosts(parameters);
    assert.equal(passed, false);
    assert.match(said, /\[emerg\] pgevents: host "dc" of database "main" not found: .*; correct it, or start without it by /);
    assert.doesNotMatch(said, /host "db"/);
  }
  const { passed, said } = await checkHosts('unresolved=warn');
  assert.ok(passed, said);
  assert.match(said, /\[warn\] pgevents: host "dc" of database "main" not found: .*; each connection looks it up again in /);
});

test('accepts a host with a warning while no name server answers', withNames, async () => {
  const { passed, said } = await checkHosts('', (names) => names.setUnreachable());
  assert.ok(passed, said);
  for (const host of ['db', 'dc']) assert.match(said, new RegExp(`\\[warn\\] pgevents: host "${host}" .* not found: .*; each`));
});

// --- files that others can read ---

const secret = { 'a.key': [`${secretKey().text}\n`, 0o644] };
const kReadable = /\[warn\] pgevents: others can read the secret in "\/.*\/a\.key"; chmod 640 it in \/.*nginx\.conf:[0-9]+/;

test('warns of a key file with a secret that others can read', async () => {
  const http = inServer('location / { pgevents main; pgevents_jwt_key a.key; }');
  const { passed, said } = await check(http, { files: secret });
  assert.ok(passed, said);
  assert.match(said, kReadable);
  const jwk = { 'a.key': [JSON.stringify({ keys: [secretKey().jwk('one')] }), 0o604] };
  assert.match((await check(http, { files: jwk })).said, kReadable);
  for (const mode of [0o640, 0o600]) {
    assert.doesNotMatch((await check(http, { files: { 'a.key': [secret['a.key'][0], mode] } })).said, /warn/);
  }
});

test('does not warn where a directory keeps others out, nor of a public key', async () => {
  const http = inServer('location / { pgevents main; pgevents_jwt_key keys/a.key; pgevents_jwt_key ec.pem; }');
  const { passed, said } = await check(http, {
    files: { 'ec.pem': [ecKey().pem, 0o644] },
    prepare: ({ dir }) => {
      fs.mkdirSync(`${dir}/keys`, { mode: 0o750 });
      fs.writeFileSync(`${dir}/keys/a.key`, secret['a.key'][0]);
    },
  });
  assert.ok(passed, said);
  assert.doesNotMatch(said, /warn/);
});

test('warns of any key that others can change', async () => {
  const http = inServer('location / { pgevents main; pgevents_jwt_key ec.pem; }');
  const { passed, said } = await check(http, { files: { 'ec.pem': [ecKey().pem, 0o646] } });
  assert.ok(passed, said);
  assert.match(said, /\[warn\] pgevents: others can change key "\/.*\/ec\.pem"; chmod o-w it in /);
});

test('warns of a configuration with a password that others can read, without the password', async () => {
  for (const info of ['host=/tmp password=s3cret', 'postgresql://me:s3cret@/x?host=%2Ftmp', 'host=/tmp sslpassword=s3cret']) {
    const http = inServer('', database(info));
    const { passed, said } = await check(http);
    assert.ok(passed, said);
    assert.match(said, /\[warn\] pgevents: others can read the password of database "main" in this file; .* in \/.*:[0-9]+/);
    assert.doesNotMatch(said, /s3cret/);
    assert.doesNotMatch((await check(http, { prepare: ({ conf }) => fs.chmodSync(conf, 0o640) })).said, /warn/);
  }
});

const withFile = (keyword) => ({ dir }) => inServer('', database(`host=/tmp ${keyword}=${dir}/file`));

for (const [mode, warns] of [[0o600, false], [0o400, false], [0o640, true], [0o604, true]]) {
  test(`${warns ? 'warns of' : 'accepts'} a password file with mode ${mode.toString(8)}`, async () => {
    const { passed, said } = await check(withFile('passfile'), { files: { file: ['*:*:*:*:s3cret\n', mode] } });
    assert.ok(passed, said);
    const line = /\[warn\] pgevents: libpq ignores password file "\/.*\/file": its group or others have access; chmod 600 it in /;
    (warns ? assert.match : assert.doesNotMatch)(said, line);
    assert.doesNotMatch(said, /s3cret/);
  });
}

test('warns of a password file or key that does not exist, or is none', async () => {
  assert.match((await check(withFile('passfile'))).said, /\[warn\] pgevents: no password file "\/.*\/file" \(2: No such file/);
  assert.match((await check(withFile('sslkey'))).said, /\[warn\] pgevents: no key "\/.*\/file" \(sslkey=\) \(2: No such file/);
  assert.match((await check(inServer('', database('host=/tmp passfile=/dev')))).said,
    /\[warn\] pgevents: libpq ignores password file "\/dev": it is not a regular file/);
});

test('warns of a password file that does not belong to the workers\' user', asRoot, async () => {
  const file = { file: ['*:*:*:*:s3cret\n', 0o600] };
  const other = { files: file, user: 'postgres' };
  assert.match((await check(withFile('passfile'), other)).said,
    /\[warn\] pgevents: libpq ignores password file "\/.*\/file": it does not belong to the user of the workers/);
  assert.doesNotMatch((await check(withFile('passfile'), { files: file })).said, /warn/);
});

test('warns of a TLS key that libpq rejects', async () => {
  for (const [mode, warns] of [[0o600, false], [0o640, process.getuid() !== 0], [0o660, true], [0o604, true]]) {
    const { said } = await check(withFile('sslkey'), { files: { file: ['key', mode] } });
    const line = /\[warn\] pgevents: libpq rejects key "\/.*\/file", because others have access/;
    (warns ? assert.match : assert.doesNotMatch)(said, line);
  }
});
