// The examples of conf/ about tokens do what they say, by the module and by the fallback in the same location.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { range, waitFor } from '../lib/conditions.mjs';
import { environmentOf } from '../lib/conf_examples.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';
import { bearer, Client, forBoth, servers, start, startServers, writeFile } from './conf_client.mjs';

startServers();
const startWith = (name, keys) =>
  startFallback({ conninfo: servers.database.conninfo(), env: environmentOf(name, keys) });

describe('conf/jwt.conf', () => {
  const [current, previous] = [secretKey(), secretKey()];
  const dir = tempDir('keys');
  const keys = {
    '/etc/pgevents/2026-07.key': writeFile(dir, 'new.key', current.text),
    '/etc/pgevents/2026-06.key': writeFile(dir, 'old.key', previous.text),
  };
  const grants = { subscribe: ['cheese', 'orders.{user}'], publish: ['orders.{user}'] };
  const claims = { sub: '10', iat: inSeconds(-1), exp: inSeconds(3600), pgevents: grants };
  const token = signToken(claims, { key: current, kid: '2026-07' });
  const old = signToken(claims, { key: previous, kid: '2026-06' });
  let with_keys;
  before(async () => {
    with_keys = await startWith('jwt.conf', keys);
  });

  forBoth((module) => {
    const startHere = async () => start('jwt.conf', { module, fallback: with_keys, places: () => keys });

    test('accepts tokens from header and cookie, and subscriptions to news without one', async () => {
      const client = new Client(await startHere());
      await client.assertSubscribes('news');
      await client.assertRejected(401, 'cheese', 'user:10', 'orders.10');
      for (const headers of [bearer(token), { Cookie: `theme=dark; __Host-pgevents=${token}` }]) {
        const known = client.with(headers);
        await known.assertSubscribes('news', 'cheese', 'user:10', 'orders.10');
        await known.assertRejected(403, 'user:1', 'orders.1', 'orders.10.x');
        assert.equal((await known.publish('cheese', { 'Sec-Fetch-Site': 'same-origin' })).status, 403);
        assert.equal((await known.publish('orders.10', { 'Sec-Fetch-Site': 'same-origin' })).status, 201);
      }
      await client.assertRejected(401, `cheese?access_token=${token}&`);
      await client.with(bearer(old)).assertRejected(401, 'cheese');
    });

    test('rejects a publication by the cookie from a page of another site', async () => {
      const client = new Client(await startHere(), { headers: { Cookie: `__Host-pgevents=${token}` } });
      const foreign = await client.publish('orders.10',
        { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' });
      assert.deepEqual([foreign.status, foreign.json().msg], [403, 'Not authorized from this origin']);
    });
  });

  test('accepts tokens of the previous key while its line is there, and rejects them afterwards', async () => {
    const both = { ...keys, '# pgevents_jwt_key': 'pgevents_jwt_key' };
    const nginx = await start('jwt.conf', { fallback: with_keys, places: () => both });
    const client = new Client(nginx);
    await client.with(bearer(old)).assertSubscribes('cheese');
    nginx.reload({ [`pgevents_jwt_key ${keys['/etc/pgevents/2026-06.key']} kid=2026-06 alg=HS256;`]: '' });
    await waitFor(async () => (await client.with(bearer(old)).poll('cheese')).status === 401,
      { what: 'a rejection of the old key' });
    await client.with(bearer(token)).assertSubscribes('cheese');
  });
});

describe('conf/presence.conf', () => {
  const key = secretKey();
  const keys = { '/etc/pgevents/jwt.key': writeFile(tempDir('keys'), 'jwt.key', key.text) };
  const token = signToken({ sub: '10', exp: inSeconds(3600), pgevents: { subscribe: ['stream:7'] } }, { key });
  let with_key;
  before(async () => {
    with_key = await startWith('presence.conf', keys);
    await servers.database.query("INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11') ON CONFLICT DO NOTHING");
  });

  forBoth((module) => {
    test('lets a user register, subscribe to the channels of the answer, report and type', async () => {
      const client = new Client(await start('presence.conf', { module, fallback: with_key, places: () => keys }),
        { headers: bearer(token) });
      const post = async (what, params) => {
        const headers = { 'Content-Type': 'application/json' };
        const body = JSON.stringify(params);
        const answer = await client.send({ path: `/rt/${what}`, method: 'POST', headers, body });
        assert.equal(answer.status, 200, answer.body);
        return answer.json();
      };
      await client.assertSubscribes('stream:7'); // waits until the module has found its database
      const { channels, last_event_id } = await post('register', {});
      assert.deepEqual(channels, ['user:10', 'presence:main']);
      await client.assertSubscribes(channels.join(','));
      await client.assertRejected(403, 'user:11', 'presence:other', 'stream:8');
      await post('users/me/presence', { status: 'active', ping_only: true });
      await post('typing', { op: 'start', to: ['11'] });
      const answer = await client.poll(channels.join(','), `&last_event_id=${last_event_id}`);
      assert.ok(answer.json().some(({ data }) => data.type === 'typing'), answer.body);
    });
  });
});

describe('conf/cross-origin.conf', () => {
  const key = secretKey();
  const keys = { '/etc/pgevents/jwt.key': writeFile(tempDir('keys'), 'jwt.key', key.text) };
  const token = signToken({ sub: '10', iat: inSeconds(-1), exp: inSeconds(3600), pgevents: { publish: ['orders'] } },
    { key });
  let with_keys;
  before(async () => {
    with_keys = await startWith('cross-origin.conf', keys);
  });
  const foreign = (origin) => ({ Origin: origin, 'Sec-Fetch-Site': 'cross-site' });

  forBoth((module) => {
    test('lets pages of the origins that it names read and publish with the cookie', async () => {
      const client = new Client(await start('cross-origin.conf', {
        module, fallback: with_keys, host: 'events.example.com', places: () => keys,
      }), { headers: { Cookie: `pgevents_token=${token}` } });
      for (const origin of ['https://app.example.com', 'https://pr-7.preview.example.com']) {
        const answer = await client.with(foreign(origin)).poll('user:10');
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['access-control-allow-origin'], origin);
        assert.equal(answer.headers['access-control-allow-credentials'], 'true');
        assert.equal((await client.publish('orders', foreign(origin))).status, 201);
        const preflight = await client.send({
          method: 'OPTIONS', path: '/rt/events/orders', headers: { ...foreign(origin),
            'Access-Control-Request-Method': 'POST' },
        });
        assert.equal(preflight.headers['access-control-allow-methods'], 'GET, HEAD, POST');
      }
    });

    test('rejects other origins', async () => {
      const client = new Client(await start('cross-origin.conf', {
        module, fallback: with_keys, host: 'events.example.com', places: () => keys,
      }), { headers: { Cookie: `pgevents_token=${token}` } });
      const others = [
        'https://evil.example', 'http://app.example.com', 'https://app.example.com.evil.example',
        'https://x-preview.example.com', 'https://a.b.preview.example.com',
        'https://pr-7.preview.example.com.evil.example', 'null',
      ];
      for (const origin of others) {
        const answer = await client.with(foreign(origin)).poll('user:10');
        assert.equal(answer.headers['access-control-allow-origin'], undefined, origin);
        assert.equal((await client.publish('orders', foreign(origin))).status, 403, origin);
      }
    });
  });
});

describe('conf/query-token.conf', () => {
  const key = secretKey();
  const keys = { '/etc/pgevents/jwt.key': writeFile(tempDir('keys'), 'jwt.key', key.text) };
  const token = signToken({ sub: '10', iat: inSeconds(-1), exp: inSeconds(3600) }, { key });
  let with_key;
  before(async () => {
    with_key = await startWith('query-token.conf', keys);
  });
  const startHere = (options) => start('query-token.conf', {
    fallback: with_key, ...options, places: (dir) => ({ ...keys, '/var/log/nginx/access.log': `${dir}/access.log`,
      ...options.more }),
  });
  const logs = ({ dir }) => ['access.log', 'error.log'].map((name) => fs.readFileSync(path.join(dir, name), 'utf8'));

  forBoth((module) => {
    test('accepts the token from the query, and logs the request without it', async () => {
      const nginx = await startHere({ module });
      const client = new Client(nginx);
      assert.equal((await client.poll('user:10', `&access_token=${token}`)).status, 200);
      assert.equal((await client.poll('user:11', `&access_token=${token}`)).status, 403);
      await waitFor(() => logs(nginx)[0].split('\n').length >= 3, { what: 'two lines in the access log' });
      const [access, error] = logs(nginx);
      assert.match(access, /"GET \/rt\/events\/user:10 HTTP\/1\.1" 200 /);
      for (const text of [access, error]) assert.ok(!text.includes('access_token') && !text.includes(token.split('.')[2]), text);
    });
  });

  test('keeps the token out of the error log if the fallback is not available or nginx rejects the request', async () => {
    const nginx = await startHere({
      module: false,
      fallback: { socket: '/nowhere/fcgi.sock' },
      more: {
        'map $request_uri': 'limit_req_zone $server_name zone=seldom:1m rate=1r/m; map $request_uri',
        'pgevents_jwt_query on;': 'pgevents_jwt_query on; limit_req zone=seldom;',
      },
    });
    const ask = async () => (await new Client(nginx).send({ path: `/rt/events/user:10?access_token=${token}` })).status;
    assert.deepEqual([await ask(), await ask()], [502, 503]);
    await waitFor(() => / 502 [^]* 503 /.test(logs(nginx)[0]), { what: 'the access log' });
    for (const text of logs(nginx)) assert.ok(!text.includes(token), text);
  });
});

describe('conf/user-limits.conf', () => {
  const key = secretKey();
  const places = (dir) => ({
    '/etc/pgevents/jwt.key': writeFile(dir, 'jwt.key', key.text),
    '/var/log/nginx/events.log': path.join(dir, 'events.log'),
  });
  const token = (sub, claims = {}) => signToken({ sub, exp: inSeconds(3600), ...claims }, { key });
  const kLimit = 10;

  test('limits the streams of each user, whatever the address, and reports them in the log', async () => {
    const nginx = await start('user-limits.conf', { places });
    const ten = new Client(nginx).with(bearer(token('10')));
    const open = (headers) => new EventStream({ port: nginx.port, path: '/rt/events/news', tls: true, headers });
    const streams = await Promise.all(range(1, kLimit).map(() => open(ten.headers).opened()));

    const poll = await ten.send({ path: '/rt/events/news?flavor=poll' });
    assert.deepEqual([poll.status, poll.headers['retry-after'], poll.json()],
      [429, '10', { result: 'error', code: 'TOO_MANY_REQUESTS', msg: 'Too many connections' }]);
    const refused = open(ten.headers);
    assert.deepEqual([(await refused.ended()).how, refused.status, refused.retry], ['end', 200, 60_000]);
    assert.match(refused.connection.headers['content-type'], /^text\/event-stream/);
    assert.deepEqual(refused.events, []);

    for (const other of [bearer(token('11')), bearer(token('10', { realm: 'dairy' })), {}]) {
      streams.push(await open(other).opened());
    }
    await streams[0].close();
    const isPermitted = async () => (await ten.send({ path: '/rt/events/news?flavor=poll' })).status === 200;
    await waitFor(isPermitted, { what: 'a permitted request' });
    await Promise.all(streams.map((stream) => stream.close()));

    const log = () => fs.readFileSync(path.join(nginx.dir, 'events.log'), 'utf8');
    await waitFor(() => / 200 module stream "main" "11" "news" [0-9]+ 0 client_left$/m.test(log()), { what: () => log() });
    assert.match(log(), / 429 - - "main" "10" "-" - - -$/m);
  });
});
