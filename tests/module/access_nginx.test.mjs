// Access rules among nginx's own: the user from nginx, keys that change with a reload, limits, and logs without
// secrets.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { test } from 'node:test';

import { assertError, newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { inSeconds, rsaKey, secretKey, signToken } from '../lib/tokens.mjs';

const database = await (await sharedCluster()).createDatabase();
const [oldKey, newKey, otherKey] = [secretKey(), rsaKey(), secretKey()];
const kPassword = 'the-users-password';

// `keys`: directives of the http level, inherited by all locations. Key files are beside nginx.conf.
const configuration = (keys) => (n) => `
  pgevents_database main "${database.conninfo()}" ring=4m;
  ${keys}
  log_format all '$request|$request_uri|$args|$arg_access_token|$uri';
  limit_req_zone $arg_who zone=requests:1m rate=1r/m;
  limit_conn_zone $arg_who zone=connections:1m;
  server {
    listen ${n.listen(0)};
    listen ${n.listen(1)} http2;
    access_log ${path.join(n.dir, 'access.log')} all;
    pgevents_retry 100ms;
    location /rt/ { pgevents main; pgevents_jwt_query on; pgevents_jwt_cookie session; pgevents_publish "{user}.*"; }
    location /asked/ { auth_request /who; auth_request_set $user $upstream_http_x_user; pgevents main;
      pgevents_user $user; }
    location = /who { internal; proxy_pass http://${n.listen(2)}/; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; }
    location /basic/ { auth_basic "users"; auth_basic_user_file ${path.join(n.dir, 'users')};
      pgevents main; pgevents_user $remote_user; }
    location /any/ { satisfy any; allow 192.0.2.1; deny all;
      auth_basic "users"; auth_basic_user_file ${path.join(n.dir, 'users')};
      pgevents main; pgevents_user $remote_user; }
    location /inner/ { internal; pgevents main; pgevents_anonymous "{realm}.*"; pgevents_realm shop; }
    location /outer/ { rewrite ^/outer/(.*)$ /inner/$1 last; }
    location /rewritten/ { rewrite ^/rewritten/(.*)$ /rt/events/$1?flavor=poll&access_token=$arg_token? last; }
    location /often/ { limit_req zone=requests; pgevents main; pgevents_anonymous "*"; }
    location /many/ { limit_conn connections 1; pgevents main; pgevents_anonymous "*"; }
  }
  server {
    listen ${n.listen(2)};
    location / { if ($http_cookie !~ "^login=(?<login>[a-z]+)$") { return 401; } add_header X-User $login; return 204; }
  }`;

const nginx = await startNginx({
  http: (n) => {
    fs.writeFileSync(path.join(n.dir, 'old.key'), oldKey.text);
    fs.writeFileSync(path.join(n.dir, 'new.pem'), newKey.text);
    fs.writeFileSync(path.join(n.dir, 'users'), `anna:{PLAIN}${kPassword}\n`);
    return configuration('pgevents_jwt_key old.key kid=old;')(n);
  },
});

const get = (where, options = {}) => request({ port: nginx.port, path: where, ...options });
const poll = (where, options) => get(`${where}${where.includes('?') ? '&' : '?'}flavor=poll`, options);
const token = (user, { key = oldKey, ...options } = {}) =>
  signToken({ sub: user, exp: inSeconds(600) }, { key, ...options });
const as = (user, options) => ({ headers: { Authorization: `Bearer ${token(user, options)}` } });
const basic = (password) => ({ headers: { Authorization: `Basic ${Buffer.from(`anna:${password}`).toString('base64')}` } });

await waitFor(async () => (await poll('/rt/events/user:1', as('1'))).status === 200, { what: 'service' });

test('auth_request sets the user, and a token is ignored there', async () => {
  const login = (name) => ({ headers: { Cookie: `login=${name}`, ...as('mallory').headers } });
  assert.equal((await poll('/asked/events/user:anna', login('anna'))).status, 200);
  const answer = await poll('/asked/events/user:mallory', login('anna'));
  assertError(answer, 403, 'FORBIDDEN', "Not authorized for channel 'user:mallory'");
  assert.equal((await poll('/asked/events/user:mallory', as('mallory'))).status, 401);
  const stream = await new EventStream({ port: nginx.port, path: '/asked/events/user:anna',
    ...login('anna') }).opened();
  await database.publish('user:anna', 'made', null);
  await stream.waitForEvents(1);
  await stream.close();
});

test('headers and parameters named like the variables have no effect', async () => {
  const headers = {
    Cookie: 'login=anna', 'X-User': 'mallory', 'PGEVENTS-USER': 'mallory', PGEVENTS_USER: 'mallory', User: 'mallory',
  };
  assert.equal((await poll('/asked/events/user:anna?user=mallory&PGEVENTS_USER=mallory', { headers })).status, 200);
  assert.equal((await poll('/asked/events/user:mallory?user=mallory&pgevents_user=mallory', { headers })).status, 403);
  delete headers.Cookie;
  assertError(await poll('/rt/events/user:mallory?user=mallory', { headers }), 401, 'UNAUTHORIZED',
    "Authentication required for channel 'user:mallory'");
});

test('basic authentication sets the user', async () => {
  assert.equal((await poll('/basic/events/user:anna', basic(kPassword))).status, 200);
  assert.equal((await poll('/basic/events/user:anna', basic('wrong'))).status, 401);
  assert.equal((await poll('/basic/events/user:bert', basic(kPassword))).status, 403);
  assert.equal((await poll('/basic/events/user:anna')).headers['www-authenticate'], 'Basic realm="users"');
});

test('with satisfy any, basic authentication sets the user if the address is not allowed', async () => {
  assert.equal((await poll('/any/events/user:anna', basic(kPassword))).status, 200);
  assert.equal((await poll('/any/events/user:anna', basic('wrong'))).status, 401);
});

test('an internal location is reached only by a rewrite, and its own rules apply', async () => {
  assert.equal((await poll('/inner/events/shop.news')).status, 404);
  assert.equal((await poll('/outer/events/shop.news')).status, 200);
  assert.equal((await poll('/outer/events/main.news')).status, 401);
});

test('limit_req and limit_conn count the module\'s requests', async () => {
  assert.equal((await poll('/often/events/a?who=1')).status, 200);
  assert.equal((await poll('/often/events/a?who=1')).status, 503);
  assert.equal((await poll('/often/events/a?who=2')).status, 200);
  const channel = newChannel();
  const open = (who) => new EventStream({ port: nginx.port, path: `/many/events/${channel}?who=${who}` });
  const first = await open('1').opened();
  assert.equal((await open('1').ended()).status, 503);
  const other = await open('2').opened();
  await first.close();
  await waitFor(async () => (await poll(`/many/events/${channel}?who=1`)).status === 200,
    { what: 'a free connection' });
  await other.close();
});

test('a user may publish where a grant with {user} allows it', async () => {
  const publish = (channel, who) => get(`/rt/events/${channel}`, { method: 'POST', body: '{"type":"made"}', ...who });
  assert.equal((await publish('7.notes', as('7'))).status, 201);
  assertError(await publish('8.notes', as('7')), 403, 'FORBIDDEN', "Not authorized for channel '8.notes'");
  assertError(await publish('.notes', {}), 401, 'UNAUTHORIZED', "Authentication required for channel '.notes'");
});

test('keys change by reload, with a time in which both are valid', async () => {
  const path_ = '/rt/events/user:1';
  const [old, fresh] = [as('1', { kid: 'old' }), as('1', { key: newKey, kid: 'new' })];
  const status = async (who) => (await poll(path_, who)).status;
  const reload = async (keys) => nginx.waitGone(await nginx.reload(configuration(keys)));
  const stream = await new EventStream({ port: nginx.port, path: path_, reconnect: true, ...old }).opened();
  assert.deepEqual([await status(old), await status(fresh)], [200, 401]);
  await reload('pgevents_jwt_key old.key kid=old; pgevents_jwt_key new.pem kid=new alg=RS256;');
  assert.deepEqual([await status(old), await status(fresh)], [200, 200]);
  await waitFor(() => stream.connections.length > 1 && stream.status === 200, { what: 'the stream in a new worker' });
  await reload('pgevents_jwt_key new.pem kid=new;');
  assert.deepEqual([await status(old), await status(fresh)], [401, 200]);
  await waitFor(() => stream.status === 401, { what: 'the stream with the old key rejected' });
  await stream.close();
  await reload('pgevents_jwt_key old.key kid=old;');
});

test('a reload with an unreadable key changes nothing', async () => {
  const keyFile = path.join(nginx.dir, 'short.key');
  fs.writeFileSync(keyFile, 'short-but-secret');
  const before = nginx.workers();
  await nginx.configure(configuration('pgevents_jwt_key short.key;'));
  nginx.signal('SIGHUP');
  await waitFor(() => nginx.logText().includes(keyFile), { what: 'the error message' });
  assert.match(nginx.logText(), /\[emerg\] .*short\.key": .*nginx\.conf:[0-9]+/);
  assert.equal((await poll('/rt/events/user:1', as('1'))).status, 200);
  assert.deepEqual(nginx.workers(), before);
  await nginx.configure(configuration('pgevents_jwt_key old.key kid=old;'));
});

// --- logs ---

const accessLog = () => fs.readFileSync(path.join(nginx.dir, 'access.log'), 'utf8');

// The line of the access log about the request that has this word in its URI.
const lineWith = (word) =>
  waitFor(() => accessLog().split('\n').find((line) => line.includes(word)), { what: `${word} in the log` });

async function overHttp2(where) {
  const session = http2.connect(`http://127.0.0.1:${nginx.ports[1]}`);
  const stream = session.request({ ':path': where });
  const status = await new Promise((resolve, reject) => {
    stream.on('response', (headers) => resolve(headers[':status']));
    stream.on('error', reject);
  });
  stream.resume();
  session.close();
  return status;
}

for (const [how, ask] of Object.entries({ 'HTTP/1.1': async (where) => (await get(where)).status, 'HTTP/2': overHttp2 })) {
  test(`a token in the query is masked in the access log (${how})`, async () => {
    for (const name of ['access_token', 'access%5Ftoken', '%61ccess_%74oken']) {
      const [text, word] = [token('5'), newChannel()];
      assert.equal(await ask(`/rt/events/user:5?flavor=poll&${name}=${text}&last_event_id=0&word=${word}`), 200);
      const line = await lineWith(word);
      const masked = `/rt/events/user:5?flavor=poll&${name}=${'x'.repeat(text.length)}&last_event_id=0&word=${word}`;
      assert.equal(line.split('|')[0], `GET ${masked} HTTP/${how === 'HTTP/2' ? '2.0' : '1.1'}`);
      assert.equal(line.split('|')[1], masked);
      assert.equal(line.split('|')[2], masked.slice(masked.indexOf('?') + 1));
    }
  });
}

test('a token is masked if it is rejected, misplaced, in a rewritten query or in a waiting request', async () => {
  const text = token('5', { key: otherKey });
  const cases = {
    [`/rt/events/user:5?access_token=${text}`]: 401, [`/rt/nowhere?access_token=${text}`]: 404,
    [`/rt/events/user:5?a=1&access_token=${text}?b`]: 401, [`/often/events/a?who=3&access_token=${text}`]: 200,
  };
  for (const [where, status] of Object.entries(cases)) {
    const word = newChannel();
    assert.equal((await poll(`${where}&${word}`)).status, status, where);
    assert.ok(!(await lineWith(word)).includes(text.slice(-20)), where);
  }
  const [good, word] = [token('6'), newChannel()];
  assert.equal((await poll(`/rewritten/user:6?token=${good}&${word}`)).status, 200);
  const [, , rewritten] = (await lineWith(word)).split('|'); // the parameter `token` is the operator's own
  assert.equal(rewritten, `flavor=poll&access_token=${'x'.repeat(good.length)}`);
  const target = `/rt/events/user:6?access_token=${good}&word=s${word}`;
  const stream = await new EventStream({ port: nginx.port, path: target }).opened();
  await stream.close();
  assert.ok(!(await lineWith(`s${word}`)).includes(good.slice(-20)));
});

test('other parameters are logged unchanged', async () => {
  const parameters = 'token=abc&x_access_token=abc&access_tokens=abc&access_token&access%zztoken=abc&=abc';
  const where = `/rt/events/user:6?${parameters}&${newChannel()}`;
  await get(where, as('6'));
  assert.equal((await lineWith(where.slice(-12))).split('|')[1], where);
});

test('the error log names the reason of each rejected request', async () => {
  const expired = { headers: { Authorization: `Bearer ${signToken({ sub: '5', exp: inSeconds(-100) }, { key: oldKey })}` } };
  for (const [where, options, status, reason] of [
    ['/rt/events/user:5?why=1', {}, 401, 'Authentication required'],
    ['/rt/events/user:6?why=2', as('5'), 403, "Not authorized for channel 'user:6'"],
    ['/rt/events/user:5?why=3', expired, 401, 'The token has expired'],
  ]) {
    assert.equal((await poll(where, options)).status, status, where);
    const isLine = (line) => line.includes('[info]') && line.includes(`pgevents: ${reason}`) && line.includes(where);
    await waitFor(() => nginx.logText().split('\n').some(isLine), { what: `${reason}: ${where}` });
  }
});

test('the error log explains a rejected token, without any part of it and without the keys', async () => {
  const text = token('5', { key: otherKey });
  for (const options of [{ headers: { Authorization: `Bearer ${text}` } }, { headers: { Cookie: `session=${text}` } }]) {
    assertError(await poll('/rt/events/user:5', options), 401, 'UNAUTHORIZED', 'Invalid token');
  }
  assert.equal((await poll(`/rt/events/user:5?access_token=${text}`)).status, 401);
  const isExplanation = (line) => /\[info\] .*pgevents: Invalid token: .+, client: /.test(line);
  const explained = () => nginx.logText().split('\n').filter(isExplanation).length >= 3;
  await waitFor(explained, { what: 'three lines in the error log' });
  await nginx.stop({ allow: [/short\.key/] });
  const logs = nginx.logText() + accessLog();
  for (const secret of [...text.split('.').slice(1), oldKey.text, 'short-but-secret', kPassword]) {
    assert.ok(!logs.includes(secret), secret);
  }
});
