// Shards by realm, configured by conf/cluster: each realm is served by its own database, through the module, and by its
// own fallback where the module is off or its database away; revocations hold on all of them; one shard's end concerns
// no other; and the cursor of another shard gets a reset.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { run } from '../lib/processes.mjs';
import { kRoot } from '../lib/scratch.mjs';
import { inSeconds } from '../lib/tokens.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { Shards } from './lib/shards.mjs';

const shards = new Shards();
const kFrontEnds = [['the module', () => shards.port], ['the fallback', () => shards.offPort]];

before(async () => {
  await shards.start();
  for (const [name, realms] of [['eu', ['shop', 'main', 'new']], ['us', ['dairy', 'bakery']]]) {
    for (const realm of ['shop', 'main', 'new', 'dairy', 'bakery']) {
      await shards[name].publish(`${realm}.news`, realms.includes(realm) ? 'right' : 'wrong', realm);
    }
  }
});

after(() => assert.doesNotMatch(shards.nginx.logText(), /cycle while evaluating|depends on itself/));

// A poll of a realm's channel for everything that is kept.
const poll = (port, realm, headers, channel = `${realm}.news`) =>
  request({ port, path: `/rt/events/${channel}?flavor=poll&last_event_id=0`, headers });

const typesOf = (answer) => parsePollBody(answer.body).map(({ type }) => type);

for (const [name, port] of kFrontEnds) {
  test(`[${name}] a realm is served from its own database`, async () => {
    for (const realm of ['shop', 'main', 'new', 'dairy', 'bakery']) {
      const answer = await poll(port(), realm, shards.as(realm));
      assert.equal(answer.status, 200, answer.body);
      assert.deepEqual(typesOf(answer), ['right'], realm);
    }
    assert.deepEqual(typesOf(await poll(port(), 'main')), ['right'], 'without a token');
    assert.deepEqual(typesOf(await poll(port(), 'main', shards.as())), ['right'], 'a token without a realm');
  });

  test(`[${name}] a token that is not good for the realm is rejected`, async () => {
    const { nextKey } = shards;
    const cases = [
      [403, 'a channel of another realm', await poll(port(), 'shop', shards.as('dairy'))],
      [401, 'an expired token', await poll(port(), 'dairy', shards.as('dairy', { exp: inSeconds(-5) }))],
      [401, 'a key that nginx does not know', await poll(port(), 'dairy', shards.as('dairy', { key: nextKey }))],
      [401, 'the same, of a realm of the default shard', await poll(port(), 'shop', shards.as('shop', { key: nextKey }))],
    ];
    for (const [status, what, answer] of cases) assert.equal(answer.status, status, `${what}: ${answer.body}`);
  });

  test(`[${name}] a token that only its own shard has revoked is rejected, and no other shard serves it`, async () => {
    const user = `alone-${port()}`;
    await shards.us.query('SELECT pgevents.revoke($1)', [user]);
    await waitFor(async () => (await poll(port(), 'dairy', shards.as('dairy', { user }))).status === 401,
      { what: 'a rejection' });
    for (let i = 0; i < 5; i++) {
      const answer = await poll(port(), 'dairy', shards.as('dairy', { user }));
      assert.deepEqual([answer.status, answer.json().code], [401, 'TOKEN_REVOKED']);
    }
    assert.equal((await poll(port(), 'shop', shards.as('shop', { user }))).status, 200, 'eu has revoked nothing');
  });
}

const shell = (script, args, env = {}) => run(`${kRoot}/conf/cluster/${script}`, args, { env: { ...process.env, ...env }, expect: null });

test('revoke.sh ends a user\'s streams on all shards, and says when one of them was away', async () => {
  const file = shards.file('list');
  const list = (...databases) => fs.writeFileSync(file, databases.join('\n\n'));
  const [eu, us] = [shards.eu, shards.us].map((database) => database.conninfo({ user: 'postgres' }));
  const open = async (user, realm) => {
    const path = `/rt/events/${realm}.news`;
    return new EventStream({ port: shards.port, path, headers: shards.as(realm, { user }) }).opened();
  };
  const user = `it's "me"`;
  const streams = [await open(user, 'shop'), await open(user, 'dairy')];
  const other = await open('other', 'dairy');
  list(eu, us);
  assert.equal((await shell('revoke.sh', [user], { SHARDS: file })).status, 0);
  for (const stream of streams) await stream.ended();
  for (const [, port] of kFrontEnds) {
    for (const realm of ['shop', 'dairy', 'bakery']) {
      assert.equal((await poll(port(), realm, shards.as(realm, { user }))).status, 401);
    }
  }
  assert.equal(other.connection.how, undefined);
  await other.close();

  const away = us.replace('port=', 'port=9');
  const second = await open('second', 'shop');
  list(away, eu);
  assert.equal((await shell('revoke.sh', ['second'], { SHARDS: file })).status, 1);
  await second.ended();
});

// --- cursors of another shard ---

// The events that a form of request gets first behind a cursor: `rows` of them.
const kForms = {
  async poll(port, path, cursor, headers) {
    return parsePollBody((await request({ port, path: `${path}?flavor=poll&last_event_id=${cursor}`, headers })).body);
  },
  async 'long poll'(port, path, cursor, headers) {
    return parsePollBody((await request({ port, path, headers: { ...headers, 'Last-Event-ID': cursor } })).body);
  },
  async stream(port, path, cursor, headers, rows) {
    const stream = new EventStream({ port, path, cursor, headers });
    await stream.waitForEvents(rows);
    await stream.close();
    return stream.events;
  },
  async WebSocket(port, path, cursor, headers, rows) {
    const socket = new Socket({ port, path: `${path}?last_event_id=${cursor}`, headers });
    await socket.waitForEvents(rows);
    await socket.close();
    return socket.received.events;
  },
  async subscribe(port, path, cursor, headers, rows, realm) {
    const socket = new Socket({ port, path: `/rt/events/user@${realm}:10`, headers });
    await socket.opened();
    const reply = await socket.ask({ subscribe: [path.split('/').at(-1)], last_event_id: cursor });
    assert.equal(reply.status, 200);
    await socket.waitForEvents(rows);
    await socket.close();
    return socket.received.events;
  },
};

describe('the cursor of another shard gets a reset', () => {
  const cursors = {};
  before(async () => {
    for (const name of ['eu', 'us']) {
      for (const realm of ['cheese', 'bakery']) await shards[name].publish(`${realm}.news`, 'made', 1);
      cursors[name] = String(await shards[name].head() - 1);
    }
  });
  for (const [name, port] of kFrontEnds) {
    for (const form of Object.keys(kForms)) {
      if (name === 'the fallback' && ['WebSocket', 'subscribe'].includes(form)) continue;
      test(`[${name}] ${form}`, async () => {
        for (const [realm, own, foreign] of [['cheese', 'eu', 'us'], ['bakery', 'us', 'eu']]) {
          const ask = (cursor, rows) => kForms[form](port(), `/rt/events/${realm}.news`, cursor, shards.as(realm), rows, realm);
          const count = (await poll(port(), realm, shards.as(realm)).then(typesOf)).length;
          const [first, ...others] = await ask(cursors[foreign], count + 1);
          assert.equal(first.type, 'pgevents.reset', `${foreign} to ${own}`);
          assert.equal(JSON.parse(first.data).reason, 'ahead');
          assert.equal(others.length, count, 'every kept event follows');
          if (realm === 'cheese') continue; // bakery's event is the newest one of each log
          assert.deepEqual((await ask(cursors[own], 1)).map(({ type }) => type), ['made'], 'its own cursor');
        }
      });
    }
  }
});

// --- one shard dies ---

test('while one shard is away the others go on, and its clients continue behind their cursors', async () => {
  const { us, eu } = shards;
  const open = (port, realm) => new EventStream({ port, path: `/rt/events/${realm}.news`, headers: shards.as(realm),
    reconnect: true, maxDelay: 200 }).opened();
  const there = await Promise.all(kFrontEnds.map(([, port]) => open(port(), 'shop')));
  const gone = await Promise.all(kFrontEnds.map(([, port]) => open(port(), 'dairy')));
  const connections = there[0].connections.length;
  await us.publish('dairy.news', 'made', 'before');
  for (const stream of gone) await stream.waitForEvents(1);

  await us.cluster.kill9();
  await waitFor(async () => (await poll(shards.port, 'dairy', shards.as('dairy'))).status === 503, { what: 'a 503' });
  assert.equal((await poll(shards.offPort, 'dairy', shards.as('dairy'))).status, 503);
  await eu.publish('shop.news', 'made', 'meanwhile');
  for (const stream of there) await stream.waitForEvents(1);
  assert.equal(there[0].connections.length, connections, 'a stream of the module on the other shard stays open');

  await us.cluster.start();
  await us.publish('dairy.news', 'made', 'after');
  for (const stream of gone) await stream.waitForEvents(2);
  for (const stream of [...there, ...gone]) await stream.close();
  for (const stream of gone) {
    assert.deepEqual(stream.events.map(({ type, data }) => [type, JSON.parse(data)]), [['made', 'before'], ['made', 'after']]);
  }
});

// --- the realm in the host's name ---

test('a realm in the host\'s name chooses the shard, with the module and without it', async () => {
  const withoutModule = (text) => text.replaceAll(/^ *pgevents.*$/gm, '');
  const http = (nginx) => shards.example('shards-by-host.conf', nginx);
  const both = await startNginx({ http });
  await both.waitListening('eu', 'us');
  const alone = await startNginx({ loadModule: false, http: (nginx) => withoutModule(http(nginx)) });
  for (const port of [...both.ports, alone.port]) {
    // Each process of a fallback may still have to connect again to a shard that a test before has killed.
    const ask = (host, realm, channel) => waitFor(async () => {
      const answer = await poll(port, channel, { Host: `${host}.example.com`, ...(realm && shards.as(realm)) });
      return answer.status !== 503 && answer;
    }, { what: `${host} is served` });
    for (const realm of ['shop', 'dairy', 'bakery']) {
      const answer = await ask(realm, realm, realm);
      assert.ok(!typesOf(answer).includes('wrong'), realm);
      assert.ok(typesOf(answer).includes('right'), realm);
      assert.ok(typesOf(await ask(realm, undefined, realm)).includes('right'), 'without a token');
    }
    for (const host of ['shop', 'unknown']) {
      const foreign = await ask(host, 'dairy', 'dairy');
      assert.deepEqual([foreign.status, foreign.json().msg], [401, 'The token is for another realm']);
    }
  }
  await both.stop();
  await alone.stop();
});
