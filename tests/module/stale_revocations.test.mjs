// The listener is cut off while the pool still works, so that the module does not know new revocations. Requests with a
// token then get no event and change nothing: streams wait, and all others get 503. Users whom the web server
// identifies and anonymous requests are served, from the ring where they want events.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { startFallback } from '../lib/fallback.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';

const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);
const now = () => Date.now() / 1000;
const bearer = (user) => ({ Authorization: `Bearer ${signToken({ sub: user, iat: now() - 10, exp: now() + 600 }, { key })}` });

const cluster = await startCluster();
const database = await cluster.createDatabase();
await database.query("INSERT INTO pgevents.users (user_id) VALUES ('bad'), ('good'), ('server'), ('out')");
const fallback = await startFallback({ conninfo: database.conninfo(), processes: 1, args: ['--jwt-key', keyFile] });
const access = `pgevents_jwt_key ${keyFile}; pgevents_user $arg_user;
  pgevents_subscribe "*"; pgevents_publish "*"; pgevents_retry 300ms;`;
const nginx = await startNginx({
  workers: 1,
  http: (n) => `
    pgevents_database main "${database.conninfo()}" ring=1m connections=1;
    server {
      listen ${n.listen()};
      location /rt/ { pgevents main; ${access} }
      location /fb/ { ${fallback.nginxLines({ base: '/fb' })} }
      location /both/ { pgevents main; ${access} ${fallback.nginxLines({ base: '/both', params: { PGEVENTS_USER: '$arg_user' } })} }
    }`,
});
await nginx.waitListening();
const start = await database.publish('cheese', 'made', 0); // the ring has everything behind it

const json = (method, where, body) => ({ method, where, body: JSON.stringify(body) });
const kRequests = {
  'publish': json('POST', '/events/cheese', { type: 'made', data: 1 }),
  'poll': { where: `/events/cheese?flavor=poll&last_event_id=${start}` },
  'long poll': { where: `/events/cheese?last_event_id=${start}` },
  'HEAD': { method: 'HEAD', where: `/events/cheese?flavor=eventsource&last_event_id=${start}` },
  'poll from now on': { where: '/events/cheese?flavor=poll' },
  'register': json('POST', '/register', {}),
  'report presence': json('POST', '/users/me/presence', { status: 'active' }),
  'presence of a user': { where: '/users/server/presence' },
  'presence of the realm': { where: '/realm/presence' },
  'typing': json('POST', '/typing', { op: 'start', type: 'direct', to: ['good'] }),
  'settings': json('PATCH', '/settings', { presence_enabled: true }),
};
const kFromRing = ['poll', 'long poll', 'HEAD'];

const send = ({ where, ...options }, { base = '/rt', headers = {}, user } = {}) => request({
  port: nginx.port, path: `${base}${where}${user ? `${where.includes('?') ? '&' : '?'}user=${user}` : ''}`,
  headers: { 'Content-Type': 'application/json', ...headers }, ...options,
});
const open = (channel, { headers, user } = {}) =>
  new EventStream({ port: nginx.port, path: `/rt/events/${channel}${user ? `?user=${user}` : ''}`, headers,
    cursor: start });

const kWho = {
  'a token that was revoked then': { headers: bearer('bad') },
  'a good token': { headers: bearer('good') },
  'a user of the web server': { user: 'server' },
  'an anonymous client': {},
};

async function assertSecret(stream) {
  await stream.waitForEvents(1);
  assert.deepEqual(stream.events.map(({ type, data }) => [type, data]), [['made', '"secret"']]);
}

const sessions = () => database.query(
  'SELECT pid, application_name AS name FROM pg_stat_activity WHERE usename = $1', [kServerUser]);
const isListener = ({ name }) => name === 'pgevents listener';

// Allows no more sessions than exist without the listener's, and ends that one, so that it cannot reconnect.
async function cutListener() {
  const all = await sessions();
  const [listener, ...more] = all.filter(isListener);
  assert.equal(more.length, 0);
  await database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT ${all.length - 1}`);
  await database.query('SELECT pg_terminate_backend($1)', [listener.pid]);
  await waitFor(async () => (await send(kRequests['poll from now on'])).status === 503, { what: 'the listener is gone' });
}

const eventsOf = async (channel) => (await database.log({ channels: [channel] })).length;

describe('while the listener is cut off', () => {
  const streams = {};
  let channel;

  before(async () => {
    await database.query("SELECT pgevents.revoke('out')");
    await waitFor(async () => (await send(kRequests.poll, { headers: bearer('out') })).status === 401,
      { what: 'the earlier revocation' });
    channel = newChannel();
    await database.publish(channel, 'made', 'secret');
    // Pool and fallback have their connections.
    assert.equal((await send(kRequests['presence of the realm'], { user: 'server' })).status, 200);
    assert.equal((await send(kRequests.publish, { base: '/fb' })).status, 201);
    await send(kRequests['long poll']); // until the ring has the event behind the secret
    await waitFor(async () => (await sessions()).length >= 3, { what: 'the sessions of listener, pool and fallback' });
    await cutListener();
    await database.query("SELECT pgevents.revoke('bad')");
  });

  for (const [client, credentials] of Object.entries(kWho)) {
    for (const [what, options] of Object.entries(kRequests)) {
      const is_token = Boolean(credentials.headers);
      const waits = is_token || what === 'poll from now on';
      test(`${what} by ${client}: ${waits ? '503' : 'an answer'}`, async () => {
        const published = await eventsOf('cheese');
        const answer = await send(options, credentials);
        // Anonymous clients have neither presence nor settings.
        const served = what === 'publish' ? 201 : credentials.user || kFromRing.includes(what) ? 200 : 401;
        assert.equal(answer.status, waits ? 503 : served, answer.body);
        if (waits) assert.equal(answer.headers['retry-after'], '5');
        assert.equal(await eventsOf('cheese') - published, !waits && what === 'publish' ? 1 : 0);
      });
    }

    test(`a stream of ${client} ${credentials.headers ? 'waits' : 'is served from the ring'}`, async () => {
      const stream = open(channel, credentials);
      streams[client] = stream;
      if (!credentials.headers) return assertSecret(stream);
      await stream.waitForBlock(({ kind }) => kind === 'waiting');
      return assert.deepEqual([stream.status, stream.events], [200, []]);
    });
  }

  test('rejects users who were revoked before', async () => {
    for (const [what, options] of Object.entries(kRequests)) {
      assert.equal((await send(options, { headers: bearer('out') })).status, 401, what);
    }
    const stream = open(channel, { headers: bearer('out') });
    assert.equal((await stream.ended()).status, 401);
  });

  test('with a fallback in the location the module declines, and the fallback asks the database', async () => {
    const status = async (what, user) => (await send(kRequests[what], { base: '/both', headers: bearer(user) })).status;
    assert.deepEqual([await status('publish', 'bad'), await status('poll', 'bad')], [401, 401]);
    assert.deepEqual([await status('publish', 'good'), await status('poll', 'good')], [201, 200]);
  });

  test('a token that could not be checked does not make a user present', async () => {
    const { presences } = (await send(kRequests['presence of the realm'], { user: 'server' })).json();
    assert.equal(presences.bad, undefined, JSON.stringify(presences));
  });

  after(() => database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT -1`));

  describe('and then reconnects', () => {
    before(async () => {
      await database.query(`ALTER ROLE ${kServerUser} CONNECTION LIMIT -1`);
      const isBack = async () => (await send(kRequests['poll from now on'])).status === 200;
      await waitFor(isBack, { what: 'the listener is back' });
    });

    for (const client of Object.keys(kWho)) {
      test(`the stream of ${client} continues, or ends if revoked`, async () => {
        const stream = streams[client];
        if (!/revoked/.test(client)) {
          await assertSecret(stream);
          return stream.close();
        }
        assert.equal((await stream.ended()).how, 'end');
        assert.deepEqual(stream.events.map(({ type, data, id }) => [type, data, id]),
          [['pgevents.expired', '{"reason":"revoked"}', start]]);
        stream.assertStrict();
      });
    }

    test('checks tokens against the current revocations again', async () => {
      assert.equal((await send(kRequests.publish, { headers: bearer('bad') })).status, 401);
      assert.equal((await send(kRequests.publish, { headers: bearer('good') })).status, 201);
    });
  });
});

test('at the end the log is clean', () => nginx.stop());
