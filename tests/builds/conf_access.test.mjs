// The examples of conf/ about access do what they say, by the module and by the fallback in the same location.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { environmentOf, firstAnswer, kListen80, readExample, startExample, startSecured } from '../lib/conf_examples.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

let database, fallback;

before(async () => {
  const cluster = await startCluster();
  database = await cluster.createDatabase();
  fallback = await startFallback({ conninfo: database.conninfo() });
});

// Defines the tests of an example for both back-ends.
function forBoth(define) {
  describe('[module]', () => define(true));
  describe('[fallback]', () => define(false));
}

const start = (name, options) => startSecured(name, { database, fallback, ...options });

// Short polls and publications over TLS: what is compared is the status and, of an error, the message.
class Client {
  constructor({ port }, { headers = {}, agent, tls = true } = {}) {
    Object.assign(this, { port, headers, agent, tls });
  }

  with(headers, agent) {
    return new Client(this, { headers: { ...this.headers, ...headers }, agent: agent ?? this.agent, tls: this.tls });
  }

  send(options) {
    const headers = { ...this.headers, ...options.headers };
    return request({ port: this.port, tls: this.tls, agent: this.agent, ...options, headers });
  }

  poll(channels, query = '') {
    const { tls, headers, agent } = this;
    return firstAnswer(this.port, `/rt/events/${channels}?flavor=poll${query}`, { tls, headers, agent });
  }

  publish(channel, headers = {}) {
    return this.send({
      path: `/rt/events/${channel}`, method: 'POST', body: '{"type":"made"}',
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  }

  async assertHears(...channels) {
    for (const channel of channels) assert.equal((await this.poll(channel)).status, 200, channel);
  }

  async assertRefused(status, ...channels) {
    for (const channel of channels) assert.equal((await this.poll(channel)).status, status, channel);
  }
}

const basic = (user, password) => ({ Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });
const bearer = (token) => ({ Authorization: `Bearer ${token}` });

function writeFile(dir, name, text) {
  const file = path.join(dir, name);
  fs.writeFileSync(file, text);
  return file;
}

function passwordFile(dir, users) {
  const lines = Object.entries(users).map(([user, password]) =>
    `${user}:${execFileSync('openssl', ['passwd', '-apr1', '-stdin'], { input: password }).toString()}`);
  return writeFile(dir, 'htpasswd', lines.join(''));
}

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
    with_keys = await startFallback({ conninfo: database.conninfo(), env: environmentOf('jwt.conf', keys) });
  });

  forBoth((module) => {
    const startHere = async () => start('jwt.conf', { module, fallback: with_keys, places: () => keys });

    test('takes tokens from header and cookie, and lets anybody hear the news', async () => {
      const client = new Client(await startHere());
      await client.assertHears('news');
      await client.assertRefused(401, 'cheese', 'user:10', 'orders.10');
      for (const headers of [bearer(token), { Cookie: `theme=dark; __Host-pgevents=${token}` }]) {
        const known = client.with(headers);
        await known.assertHears('news', 'cheese', 'user:10', 'orders.10');
        await known.assertRefused(403, 'user:1', 'orders.1', 'orders.10.x');
        assert.equal((await known.publish('cheese', { 'Sec-Fetch-Site': 'same-origin' })).status, 403);
        assert.equal((await known.publish('orders.10', { 'Sec-Fetch-Site': 'same-origin' })).status, 201);
      }
      await client.assertRefused(401, `cheese?access_token=${token}&`);
      await client.with(bearer(old)).assertRefused(401, 'cheese');
    });

    test('takes no publication from a foreign page by the cookie', async () => {
      const client = new Client(await startHere(), { headers: { Cookie: `__Host-pgevents=${token}` } });
      const foreign = await client.publish('orders.10', { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' });
      assert.deepEqual([foreign.status, foreign.json().msg], [403, 'Not authorized from this origin']);
    });
  });

  test('takes the tokens of the key before, with its line, and refuses them when it has been taken away', async () => {
    const both = { ...keys, '# pgevents_jwt_key': 'pgevents_jwt_key' };
    const nginx = await start('jwt.conf', { fallback: with_keys, places: () => both });
    const client = new Client(nginx);
    await client.with(bearer(old)).assertHears('cheese');
    nginx.reload({ [`pgevents_jwt_key ${keys['/etc/pgevents/2026-06.key']} kid=2026-06 alg=HS256;`]: '' });
    await waitFor(async () => (await client.with(bearer(old)).poll('cheese')).status === 401, { what: 'the old key is gone' });
    await client.with(bearer(token)).assertHears('cheese');
  });
});

describe('conf/presence.conf', () => {
  const key = secretKey();
  const keys = { '/etc/pgevents/jwt.key': writeFile(tempDir('keys'), 'jwt.key', key.text) };
  const token = signToken({ sub: '10', exp: inSeconds(3600), pgevents: { subscribe: ['stream:7'] } }, { key });
  let with_key;
  before(async () => {
    with_key = await startFallback({ conninfo: database.conninfo(), env: environmentOf('presence.conf', keys) });
    await database.query("INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11') ON CONFLICT DO NOTHING");
  });

  forBoth((module) => {
    test('lets a user register, hear what he is told to subscribe to, report and type', async () => {
      const client = new Client(await start('presence.conf', { module, fallback: with_key, places: () => keys }), { headers: bearer(token) });
      const post = async (what, params) => {
        const headers = { 'Content-Type': 'application/json' };
        const answer = await client.send({ path: `/rt/${what}`, method: 'POST', headers, body: JSON.stringify(params) });
        assert.equal(answer.status, 200, answer.body);
        return answer.json();
      };
      await client.assertHears('stream:7'); // by then the module has found its database
      const { channels, last_event_id } = await post('register', {});
      assert.deepEqual(channels, ['user:10', 'presence:main']);
      await client.assertHears(channels.join(','));
      await client.assertRefused(403, 'user:11', 'presence:other', 'stream:8');
      await post('users/me/presence', { status: 'active', ping_only: true });
      await post('typing', { op: 'start', to: ['11'] });
      const heard = await client.poll(channels.join(','), `&last_event_id=${last_event_id}`);
      assert.ok(heard.json().some(({ data }) => data.type === 'typing'), heard.body);
    });
  });
});

// An application that answers by `answer(request)`: [status, headers].
async function startApplication(answer) {
  const server = http.createServer((incoming, response) => response.writeHead(...answer(incoming)).end());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { 'http://127.0.0.1:3000': `http://127.0.0.1:${server.address().port}` };
}

describe('conf/auth-request.conf', () => {
  const kUser = {
    'X-Pgevents-User': '10',
    'X-Pgevents-Realm': 'dairy',
    'X-Pgevents-Subscribe': 'cheese {realm}.orders.10.*',
    'X-Pgevents-Publish': 'remarks',
  };
  const asked = [];
  const answer = (incoming) => {
    asked.push([incoming.headers['x-original-method'], incoming.headers['x-original-uri']]);
    const session = incoming.headers.cookie;
    return session === 'session=anna' ? [200, kUser] : session === 'session=guest' ? [200, {}] : [401, {}];
  };

  forBoth((module) => {
    test('lets the application decide who it is and what he may do', async () => {
      const application = await startApplication(answer);
      const client = new Client(await start('auth-request.conf', { module, places: () => application }));
      await client.assertRefused(401, 'cheese', 'user:10');
      const anna = client.with({ Cookie: 'session=anna' });
      await anna.assertHears('cheese', 'user@dairy:10', 'dairy.orders.10.1');
      await anna.assertRefused(403, 'user:10', 'orders.1');
      assert.deepEqual(asked.at(-1), ['GET', '/rt/events/orders.1?flavor=poll']);
      assert.equal((await anna.publish('remarks', { 'Sec-Fetch-Site': 'same-origin' })).status, 201);
      assert.equal((await anna.publish('remarks', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' })).status, 403);
      assert.equal((await anna.publish('cheese')).status, 403);
    });

    test('believes no header of the client', async () => {
      const application = await startApplication(answer);
      const client = new Client(await start('auth-request.conf', { module, places: () => application }), { headers: { ...kUser } });
      await client.assertRefused(401, 'cheese');
      await client.with({ Cookie: 'session=guest' }).assertRefused(403, 'cheese', 'user:10');
      const direct = await client.send({ path: '/pgevents-auth', headers: { Cookie: 'session=anna' } });
      assert.equal(direct.status, 404);
    });
  });

  test('asks again when a user has been disconnected', async () => {
    const application = await startApplication(answer);
    const { port } = await start('auth-request.conf', { places: () => application });
    const client = new Client({ port }, { headers: { Cookie: 'session=anna' } });
    await client.assertHears('user@dairy:10');
    const { headers } = client;
    const stream = new EventStream({ port, tls: true, path: '/rt/events/user@dairy:10', headers, reconnect: true, maxDelay: 100 });
    await stream.opened();
    const before_it = asked.length;
    await database.query("SELECT pgevents.disconnect('10')");
    await waitFor(() => stream.connections.length > 1 && asked.length > before_it, { what: 'the stream came back' });
    await stream.close();
  });
});

describe('conf/basic-auth.conf', () => {
  forBoth((module) => {
    test('takes the name that a password proves', async () => {
      const client = new Client(await start('basic-auth.conf', {
        module,
        places: (dir) => ({ '/etc/nginx/pgevents.htpasswd': passwordFile(dir, { alice: 'secret', bob: 'hidden' }) }),
      }));
      await client.assertRefused(401, 'team.a', 'user:alice');
      await client.with(basic('alice', 'wrong')).assertRefused(401, 'team.a', 'user:alice');
      const [alice, bob] = [client.with(basic('alice', 'secret')), client.with(basic('bob', 'hidden'))];
      await alice.assertHears('team.a', 'user:alice');
      await alice.assertRefused(403, 'user:bob', 'cheese');
      await bob.assertHears('team.a', 'user:bob');
      assert.equal((await alice.publish('team.a')).status, 201);
      assert.equal((await bob.publish('team.a')).status, 403);
    });
  });
});

describe('docs/security.md', () => {
  const text = fs.readFileSync(path.join(kRoot, 'docs/security.md'), 'utf8');
  const indented = (first) => text.slice(text.indexOf(`    ${first}`)).split('\n\n')[0].split('\n').map((line) => line.trim());

  test('lets preflight requests pass where a password is asked for', async () => {
    const [map, , directive] = indented('map $request_method');
    const client = new Client(await start('basic-auth.conf', {
      places: (dir) => ({
        '/etc/nginx/pgevents.htpasswd': passwordFile(dir, { alice: 'secret' }),
        'map $remote_user': `${map} map $remote_user`,
        'auth_basic "events";': `${directive} pgevents_allow_origin https://app.example.com;`,
      }),
    }));
    const headers = { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'GET' };
    const preflight = await client.send({ method: 'OPTIONS', path: '/rt/events/team.a', headers });
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-methods']], [204, 'GET, HEAD, POST']);
    await client.assertRefused(401, 'team.a');
    await client.with(basic('alice', 'secret')).assertHears('team.a');
  });

  test('shows the log without queries as conf/query-token.conf has it', () => {
    const example = readExample('query-token.conf').split('\n').map((line) => line.trim());
    const lines = indented('map $request_uri');
    assert.ok(lines.length >= 5);
    for (const line of lines) assert.ok(example.includes(line), line);
  });
});

describe('conf/client-certificate.conf', () => {
  const dir = tempDir('ca');
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

  function makeAuthority(name) {
    openssl('req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`);
  }

  function agentWith(subject, authority = 'ca') {
    openssl('req', ...newKey, '-subj', subject, '-keyout', 'client.key', '-out', 'client.csr');
    openssl('x509', '-req', '-in', 'client.csr', '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial', '-days', '2',
      '-out', 'client.pem');
    const [cert, key] = ['client.pem', 'client.key'].map((name) => fs.readFileSync(path.join(dir, name)));
    const agent = new https.Agent({ cert, key, rejectUnauthorized: false });
    atEnd(() => agent.destroy());
    return agent;
  }

  before(() => ['ca', 'other'].forEach(makeAuthority));

  forBoth((module) => {
    const startHere = async () => new Client(await start('client-certificate.conf', {
      module, places: () => ({ '/etc/ssl/certs/machines-ca.pem': path.join(dir, 'ca.pem') }),
    }));

    test('takes the name of a verified certificate', async () => {
      const client = await startHere();
      const till = client.with({}, agentWith('/O=Dairy/CN=till-7'));
      await till.assertHears('orders.till-7', 'user:till-7', 'news');
      await till.assertRefused(403, 'orders.till-8', 'user:till-8');
      assert.equal((await till.publish('sold.till-7')).status, 201);
      assert.equal((await till.publish('sold.till-8')).status, 403);
    });

    test('takes no name without a certificate, of another authority, or from elsewhere in the subject', async () => {
      const client = await startHere();
      await client.assertHears('news');
      await client.assertRefused(403, 'orders.till-7', 'orders.', 'user:till-7');
      await client.with({}, agentWith('/CN=till-7', 'other')).assertRefused(400, 'orders.till-7');
      for (const subject of ['/CN=x/O=a\\,CN=till-7', '/CN=till-7\\,CN=x', '/CN=till-7/O=Dairy', '/CN=till 7']) {
        await client.with({}, agentWith(subject)).assertRefused(403, 'orders.till-7', 'orders.7');
      }
    });
  });
});

describe('conf/limits.conf', () => {
  const startHere = async (more = {}) => new Client(await startExample('limits.conf', {
    database,
    places: (_, port) => ({
      [kListen80]: `listen 127.0.0.1:${port};`,
      'unix:/run/pgevents/fcgi.sock': `unix:${fallback.socket}`,
      ...more,
    }),
  }), { tls: false });

  test('lets a client come as often as it says, and no more', async () => {
    const client = await startHere();
    await client.poll('news');
    const statuses = [];
    for (let i = 0; i < 12; i++) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => client.poll('news')));
      statuses.push(...answers.map((answer) => answer.status));
    }
    assert.deepEqual([...new Set(statuses)].sort(), [200, 429]);
    assert.deepEqual(statuses.slice(0, 15), Array(15).fill(200));
  });

  test('limits publications by themselves', async () => {
    const client = await startHere();
    await client.poll('news');
    const statuses = (await Promise.all(Array.from({ length: 15 }, () => client.publish('news')))).map((answer) => answer.status);
    assert.deepEqual([...new Set(statuses)].sort(), [201, 429]);
    assert.equal((await client.poll('news')).status, 200);
  });

  test('lets a client hold ten streams, and another one when one of them has ended', async () => {
    const client = await startHere({ 'rate=5r/s': 'rate=500r/s' });
    await waitFor(async () => {
      const answer = await client.send({ path: '/rt/events/news?timeout=0.1' });
      return answer.status === 200 && answer.headers['x-shortpoll-info'] !== 'fallback';
    }, { what: 'the module serves, whose streams stay' });
    const open = () => new EventStream({ port: client.port, path: '/rt/events/news' });
    const streams = Array.from({ length: 10 }, open);
    await Promise.all(streams.map((stream) => stream.opened()));
    const statusOf = async () => (await client.send({ path: '/rt/events/news?flavor=poll' })).status;
    assert.equal(await statusOf(), 429);
    await streams[0].close();
    await waitFor(async () => (await statusOf()) === 200, { what: 'room for one more' });
    await Promise.all(streams.map((stream) => stream.close()));
  });
});

describe('conf/satisfy-any.conf', () => {
  forBoth((module) => {
    const startHere = async (inside) => new Client(await start('satisfy-any.conf', {
      module,
      places: (dir) => ({
        '10.0.0.0/8': inside ? '127.0.0.0/8' : '10.0.0.0/8',
        '/etc/nginx/pgevents.htpasswd': passwordFile(dir, { alice: 'secret' }),
      }),
    }));

    test('asks for a password from elsewhere, and takes the name', async () => {
      const client = await startHere(false);
      await client.assertRefused(401, 'house.a');
      await client.with(basic('alice', 'wrong')).assertRefused(401, 'house.a');
      const alice = client.with(basic('alice', 'secret'));
      await alice.assertHears('house.a', 'user:alice');
      await alice.assertRefused(403, 'user:bob', 'cheese');
    });

    test('lets the inner network in, and believes no name there', async () => {
      const client = await startHere(true);
      await client.assertHears('house.a');
      await client.assertRefused(403, 'user:alice', 'cheese');
      for (const password of ['wrong', 'secret']) {
        const named = client.with(basic('alice', password));
        await named.assertHears('house.a');
        await named.assertRefused(403, 'user:alice');
      }
    });
  });
});

describe('conf/internal.conf', () => {
  forBoth((module) => {
    test('serves what the application hands over, and nobody else', async () => {
      const application = await startApplication(({ headers }) => (headers.cookie !== 'session=anna' ? [403, {}] : [200, {
        'X-Accel-Redirect': '/rt/events/orders.10,user:10?flavor=poll',
        'X-Pgevents-User': '10',
        'X-Pgevents-Subscribe': 'orders.10',
      }]));
      const nginx = await start('internal.conf', { module, places: () => application });
      const client = new Client(nginx, { headers: { 'X-Pgevents-Subscribe': '*', 'X-Pgevents-User': '10' } });
      const id = await database.publish('orders.10', 'ordered', { pieces: 3 });
      const mine = { headers: { ...client.headers, Cookie: 'session=anna', 'Last-Event-ID': '0' }, tls: true };
      const answer = await firstAnswer(client.port, '/my-events?last_event_id=999999999', mine);
      assert.deepEqual([answer.status, answer.json().at(-1).data], [200, { type: 'ordered', data: { pieces: 3 } }], `${id}`);
      assert.equal((await client.send({ path: '/my-events' })).status, 403);
      for (const way of ['/rt/events/orders.10', '/rt/events/user:10']) {
        assert.equal((await client.send({ path: way, headers: { Cookie: 'session=anna' } })).status, 404, way);
      }
    });

    test('grants no more than the application does', async () => {
      const application = await startApplication(() => [200, {
        'X-Accel-Redirect': '/rt/events/orders.11?flavor=poll',
        'X-Pgevents-Subscribe': 'orders.10',
      }]);
      const nginx = await start('internal.conf', { module, places: () => application });
      const answer = await firstAnswer(nginx.port, '/my-events', { tls: true });
      assert.deepEqual([answer.status, answer.json().msg], [403, 'Not authorized for channel \'orders.11\'']);
    });
  });
});

describe('conf/cross-origin.conf', () => {
  const key = secretKey();
  const keys = { '/etc/pgevents/jwt.key': writeFile(tempDir('keys'), 'jwt.key', key.text) };
  const token = signToken({ sub: '10', iat: inSeconds(-1), exp: inSeconds(3600), pgevents: { publish: ['orders'] } }, { key });
  let with_keys;
  before(async () => {
    with_keys = await startFallback({ conninfo: database.conninfo(), env: environmentOf('cross-origin.conf', keys) });
  });
  const foreign = (origin) => ({ Origin: origin, 'Sec-Fetch-Site': 'cross-site' });

  forBoth((module) => {
    test('lets pages of the origins that it names read and publish, with the cookie', async () => {
      const client = new Client(await start('cross-origin.conf', {
        module, fallback: with_keys, host: 'events.example.com', places: () => keys,
      }), { headers: { Cookie: `pgevents_token=${token}` } });
      for (const origin of ['https://app.example.com', 'https://pr-7.preview.example.com']) {
        const heard = await client.with(foreign(origin)).poll('user:10');
        assert.equal(heard.status, 200);
        assert.equal(heard.headers['access-control-allow-origin'], origin);
        assert.equal(heard.headers['access-control-allow-credentials'], 'true');
        assert.equal((await client.publish('orders', foreign(origin))).status, 201);
        const preflight = await client.send({
          method: 'OPTIONS', path: '/rt/events/orders', headers: { ...foreign(origin), 'Access-Control-Request-Method': 'POST' },
        });
        assert.equal(preflight.headers['access-control-allow-methods'], 'GET, HEAD, POST');
      }
    });

    test('lets no others', async () => {
      const client = new Client(await start('cross-origin.conf', {
        module, fallback: with_keys, host: 'events.example.com', places: () => keys,
      }), { headers: { Cookie: `pgevents_token=${token}` } });
      for (const origin of ['https://evil.example', 'http://app.example.com', 'https://app.example.com.evil.example',
        'https://x-preview.example.com', 'https://a.b.preview.example.com', 'https://pr-7.preview.example.com.evil.example', 'null']) {
        const heard = await client.with(foreign(origin)).poll('user:10');
        assert.equal(heard.headers['access-control-allow-origin'], undefined, origin);
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
    with_key = await startFallback({ conninfo: database.conninfo(), env: environmentOf('query-token.conf', keys) });
  });
  const startHere = (options) => start('query-token.conf', {
    fallback: with_key, ...options, places: (dir) => ({ ...keys, '/var/log/nginx/access.log': `${dir}/access.log`, ...options.more }),
  });
  const logs = ({ dir }) => ['access.log', 'error.log'].map((name) => fs.readFileSync(path.join(dir, name), 'utf8'));

  forBoth((module) => {
    test('takes the token from the query, and logs the request without it', async () => {
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

  test('keeps the token out of the error log where the fallback cannot be reached, and where nginx refuses', async () => {
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
