// Parameters in general: which of several cursors counts, which parameters may be repeated, and how many are allowed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query("INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11')");
const backends = await startBackends({ database, access: { user: '10' } });

const channel = newChannel();
const ids = [];
for (let n = 0; n < 5; ++n) ids.push(await database.publish(channel, 'made', n));

// [Last-Event-ID, query in which `$n` stands for the id of event n, number of events up to the cursor]
const kCursors = [
  ['', 'last_event_id=$0', 1],
  ['$1', 'last_event_id=$0', 2],
  ['$1', 'lastEventId=$3&last_event_id=nonsense', 2],
  ['', 'last_event_id=$0&lastEventId=$2', 3],
  ['', 'lastEventId=$2&last_event_id=$0', 3],
  ['', 'last_event_id=$0&lastEventID=$2', 3],
  ['', 'lastEventID=$2&lastEventId=$3', 4],
  // event-source-polyfill appends another lastEventId at each reconnection.
  ['', 'last_event_id=0&lastEventId=$0&lastEventId=$1&lastEventId=$2', 3],
  ['', 'last_event_id=$1&last_event_id=$2', 3],
  ['', 'last_event_id=$1&lastEventId=&lastEventID=', 2],
  ['', 'last_event_id=$1&last_event_id=', 2],
  ['', 'last_event_id=nonsense&lastEventId=$1', 2],
];

const withIds = (text) => text.replaceAll(/\$([0-9])/g, (_, n) => String(ids[n]));
const assertRejected = (answer, msg) => assertError(answer, 400, 'BAD_REQUEST', msg);
const many = (count) => Array.from({ length: count }, (_, i) => [`x${i}`, '1']);
const kCalls = [['POST', '/register'], ['POST', '/users/me/presence'], ['POST', '/typing'], ['PATCH', '/settings']];

forEach(backends, (backend) => {
  for (const [header, query, seen] of kCursors) {
    test(`${header ? `Last-Event-ID: ${header} and ` : ''}?${query} begins after ${seen} events`, async () => {
      const headers = header ? { 'Last-Event-ID': withIds(header) } : {};
      const answer = await backend.send(`/events/${channel}`, { query: `flavor=poll&${withIds(query)}`, headers });
      assert.deepEqual(answer.json().map(({ id }) => id), ids.slice(seen), answer.body);
    });
  }

  test('rejects other known parameters that are given twice; ignores unknown ones', async () => {
    for (const name of ['flavor', 'types', 'not_types', 'envelope', 'timeout', 'access_token']) {
      const answer = await backend.send(`/events/${channel}`, { query: `${name}=1&x=1&x=2&${name}=1` });
      assertRejected(answer, `Parameter '${name}' is given twice`);
    }
    assert.equal((await backend.send(`/events/${channel}`, { query: 'flavor=poll&_=1&_=2' })).status, 200);
  });

  test('accepts at most 64 parameters in a query', async () => {
    const query = (count) => new URLSearchParams([['flavor', 'poll'], ...many(count)]).toString();
    assert.equal((await backend.send(`/events/${channel}`, { query: query(63) })).status, 200);
    const msg = 'Too many parameters in the query (at most 64)';
    assertRejected(await backend.send(`/events/${channel}`, { query: query(64) }), msg);
    assertRejected(await backend.send('/realm/presence', { query: query(64) }), msg);
  });

  test('accepts at most 64 parameters in a form and in a JSON body', async () => {
    for (const [method, path] of kCalls) {
      for (const [kind, type, text] of [
        ['form', 'application/x-www-form-urlencoded', (fields) => new URLSearchParams(fields).toString()],
        ['body', 'application/json', (fields) => JSON.stringify(Object.fromEntries(fields))],
      ]) {
        const headers = { 'Content-Type': type };
        const ask = (count) => backend.send(path, { method, body: text(many(count)), headers });
        assert.doesNotMatch((await ask(64)).body, /Too many parameters/);
        assertRejected(await ask(65), `Too many parameters in the ${kind} (at most 64)`);
      }
    }
  });
});
