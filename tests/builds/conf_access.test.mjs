// The examples of conf/ about users of the web server and about limits do what they say, by the module and by the
// fallback in the same location. (Those about tokens: conf_tokens.test.mjs.)
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { before, describe, test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { firstAnswer, kListen80, readExample, startExample } from '../lib/conf_examples.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { atEnd } from '../lib/lifetime.mjs';
import { kRoot, tempDir } from '../lib/scratch.mjs';
import { basic, Client, forBoth, passwordFile, servers, start, startServers } from './conf_client.mjs';

startServers();

// Starts an application that answers with `answer(request)`: [status, headers]. Gives the place of its address.
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
    test('lets the application decide about user and grants', async () => {
      const application = await startApplication(answer);
      const client = new Client(await start('auth-request.conf', { module, places: () => application }));
      await client.assertRejected(401, 'cheese', 'user:10');
      const anna = client.with({ Cookie: 'session=anna' });
      await anna.assertSubscribes('cheese', 'user@dairy:10', 'dairy.orders.10.1');
      await anna.assertRejected(403, 'user:10', 'orders.1');
      assert.deepEqual(asked.at(-1), ['GET', '/rt/events/orders.1?flavor=poll']);
      assert.equal((await anna.publish('remarks', { 'Sec-Fetch-Site': 'same-origin' })).status, 201);
      const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' };
      assert.equal((await anna.publish('remarks', foreign)).status, 403);
      assert.equal((await anna.publish('cheese')).status, 403);
    });

    test('ignores headers of the client', async () => {
      const application = await startApplication(answer);
      const client = new Client(await start('auth-request.conf', { module, places: () => application }),
        { headers: { ...kUser } });
      await client.assertRejected(401, 'cheese');
      await client.with({ Cookie: 'session=guest' }).assertRejected(403, 'cheese', 'user:10');
      const direct = await client.send({ path: '/pgevents-auth', headers: { Cookie: 'session=anna' } });
      assert.equal(direct.status, 404);
    });
  });

  test('asks the application again after a user was disconnected', async () => {
    const application = await startApplication(answer);
    const { port } = await start('auth-request.conf', { places: () => application });
    const client = new Client({ port }, { headers: { Cookie: 'session=anna' } });
    await client.assertSubscribes('user@dairy:10');
    const { headers } = client;
    const stream = new EventStream({ port, tls: true, path: '/rt/events/user@dairy:10', headers, reconnect: true,
      maxDelay: 100 });
    await stream.opened();
    const before_it = asked.length;
    await servers.database.query("SELECT pgevents.disconnect('10')");
    await waitFor(() => stream.connections.length > 1 && asked.length > before_it,
      { what: 'the reconnection of the stream' });
    await stream.close();
  });
});

describe('conf/basic-auth.conf', () => {
  forBoth((module) => {
    test('takes the user from the password', async () => {
      const client = new Client(await start('basic-auth.conf', {
        module,
        places: (dir) => ({ '/etc/nginx/pgevents.htpasswd': passwordFile(dir, { alice: 'secret', bob: 'hidden' }) }),
      }));
      await client.assertRejected(401, 'team.a', 'user:alice');
      await client.with(basic('alice', 'wrong')).assertRejected(401, 'team.a', 'user:alice');
      const [alice, bob] = [client.with(basic('alice', 'secret')), client.with(basic('bob', 'hidden'))];
      await alice.assertSubscribes('team.a', 'user:alice');
      await alice.assertRejected(403, 'user:bob', 'cheese');
      await bob.assertSubscribes('team.a', 'user:bob');
      assert.equal((await alice.publish('team.a')).status, 201);
      assert.equal((await bob.publish('team.a')).status, 403);
    });
  });
});

describe('docs/security.md', () => {
  const text = fs.readFileSync(path.join(kRoot, 'docs/security.md'), 'utf8');
  const indented = (first) => text.slice(text.indexOf(`    ${first}`)).split('\n\n')[0].split('\n').map((line) => line.trim());

  test('accepts preflight requests in front of a password', async () => {
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
    await client.assertRejected(401, 'team.a');
    await client.with(basic('alice', 'secret')).assertSubscribes('team.a');
  });

  test('shows the same log format without queries as conf/query-token.conf', () => {
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
    openssl('req', '-x509', ...newKey, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out',
      `${name}.pem`);
  }

  function agentWith(subject, authority = 'ca') {
    openssl('req', ...newKey, '-subj', subject, '-keyout', 'client.key', '-out', 'client.csr');
    const signer = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
    openssl('x509', '-req', '-in', 'client.csr', ...signer, '-days', '2', '-out', 'client.pem');
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

    test('takes the user from a verified certificate', async () => {
      const client = await startHere();
      const till = client.with({}, agentWith('/O=Dairy/CN=till-7'));
      await till.assertSubscribes('orders.till-7', 'user:till-7', 'news');
      await till.assertRejected(403, 'orders.till-8', 'user:till-8');
      assert.equal((await till.publish('sold.till-7')).status, 201);
      assert.equal((await till.publish('sold.till-8')).status, 403);
    });

    test('takes no user without a certificate, from another authority, or from elsewhere in the subject', async () => {
      const client = await startHere();
      await client.assertSubscribes('news');
      await client.assertRejected(403, 'orders.till-7', 'orders.', 'user:till-7');
      await client.with({}, agentWith('/CN=till-7', 'other')).assertRejected(400, 'orders.till-7');
      for (const subject of ['/CN=x/O=a\\,CN=till-7', '/CN=till-7\\,CN=x', '/CN=till-7/O=Dairy', '/CN=till 7']) {
        await client.with({}, agentWith(subject)).assertRejected(403, 'orders.till-7', 'orders.7');
      }
    });
  });
});

describe('conf/limits.conf', () => {
  const startHere = async (more = {}) => new Client(await startExample('limits.conf', {
    database: servers.database,
    places: (_, port) => ({
      [kListen80]: `listen 127.0.0.1:${port};`,
      'unix:/run/pgevents/fcgi.sock': `unix:${servers.fallback.socket}`,
      ...more,
    }),
  }), { tls: false });

  test('limits a client to its rate', async () => {
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

  test('limits publications separately', async () => {
    const client = await startHere();
    await client.poll('news');
    const answers = await Promise.all(Array.from({ length: 15 }, () => client.publish('news')));
    const statuses = answers.map((answer) => answer.status);
    assert.deepEqual([...new Set(statuses)].sort(), [201, 429]);
    assert.equal((await client.poll('news')).status, 200);
  });

  test('limits a client to ten streams at the same time', async () => {
    const client = await startHere({ 'rate=5r/s': 'rate=500r/s' });
    await waitFor(async () => {
      const answer = await client.send({ path: '/rt/events/news?timeout=0.1' });
      return answer.status === 200 && answer.headers['x-shortpoll-info'] !== 'fallback';
    }, { what: 'an answer of the module, which keeps streams open' });
    const open = () => new EventStream({ port: client.port, path: '/rt/events/news' });
    const streams = Array.from({ length: 10 }, open);
    await Promise.all(streams.map((stream) => stream.opened()));
    const statusOf = async () => (await client.send({ path: '/rt/events/news?flavor=poll' })).status;
    assert.equal(await statusOf(), 429);
    await streams[0].close();
    await waitFor(async () => (await statusOf()) === 200, { what: 'a permitted request' });
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

    test('asks clients outside for a password, and takes the user from it', async () => {
      const client = await startHere(false);
      await client.assertRejected(401, 'house.a');
      await client.with(basic('alice', 'wrong')).assertRejected(401, 'house.a');
      const alice = client.with(basic('alice', 'secret'));
      await alice.assertSubscribes('house.a', 'user:alice');
      await alice.assertRejected(403, 'user:bob', 'cheese');
    });

    test('accepts clients of the inner network without a user', async () => {
      const client = await startHere(true);
      await client.assertSubscribes('house.a');
      await client.assertRejected(403, 'user:alice', 'cheese');
      for (const password of ['wrong', 'secret']) {
        const named = client.with(basic('alice', password));
        await named.assertSubscribes('house.a');
        await named.assertRejected(403, 'user:alice');
      }
    });
  });
});

describe('conf/internal.conf', () => {
  forBoth((module) => {
    test('serves only requests that the application passes on', async () => {
      const application = await startApplication(({ headers }) => (headers.cookie !== 'session=anna' ? [403, {}] : [200, {
        'X-Accel-Redirect': '/rt/events/orders.10,user:10?flavor=poll',
        'X-Pgevents-User': '10',
        'X-Pgevents-Subscribe': 'orders.10',
      }]));
      const nginx = await start('internal.conf', { module, places: () => application });
      const client = new Client(nginx, { headers: { 'X-Pgevents-Subscribe': '*', 'X-Pgevents-User': '10' } });
      const id = await servers.database.publish('orders.10', 'ordered', { pieces: 3 });
      const mine = { headers: { ...client.headers, Cookie: 'session=anna', 'Last-Event-ID': '0' }, tls: true };
      const answer = await firstAnswer(client.port, '/my-events?last_event_id=999999999', mine);
      assert.deepEqual([answer.status, answer.json().at(-1).data], [200, { type: 'ordered', data: { pieces: 3 } }],
        `${id}`);
      assert.equal((await client.send({ path: '/my-events' })).status, 403);
      for (const way of ['/rt/events/orders.10', '/rt/events/user:10']) {
        assert.equal((await client.send({ path: way, headers: { Cookie: 'session=anna' } })).status, 404, way);
      }
    });

    test('grants nothing beyond the application\'s grants', async () => {
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
