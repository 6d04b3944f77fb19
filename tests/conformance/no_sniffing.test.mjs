// A header that every answer has, of every kind and from every back-end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
await database.query("INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10')");
const access = { user: '10', origins: ['https://app.example'] };
const backends = await startBackends({ database, publish: 'c', access, limits: { maxEventSize: '1k' } });

const kJson = 'application/json';
// [what, status, content type, path, options]
const kAnswers = [
  ['a poll', 200, kJson, '/events/c', { query: 'flavor=poll' }],
  ['HEAD', 200, kJson, '/events/c', { method: 'HEAD' }],
  ['a long poll', 200, kJson, '/events/c', { query: 'last_event_id=0' }],
  ['a publication', 201, kJson, '/events/c', { method: 'POST', body: '{"type":"t"}' }],
  ['a call', 200, kJson, '/users/me/presence', { method: 'POST', body: '{"status":"idle"}' }],
  ['a call by GET', 200, kJson, '/realm/presence', {}],
  ['OPTIONS', 204, undefined, '/events/c', { method: 'OPTIONS' }],
  ['a preflight', 204, undefined, '/events/c',
    { method: 'OPTIONS', headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' } }],
  ['400', 400, kJson, '/events/c', { query: 'flavor=x' }],
  ['400 of the database', 400, kJson, '/typing', { method: 'POST', body: '{"op":"x"}' }],
  ['403', 403, kJson, '/events/d', { method: 'POST', body: '{"type":"t"}' }],
  ['404', 404, kJson, '/events/c/d/e', {}],
  ['405', 405, kJson, '/events/c', { method: 'PUT' }],
  ['413', 413, kJson, '/events/c', { method: 'POST', body: 'x'.repeat(2000) }],
  ['415', 415, kJson, '/events/c', { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } }],
];

forEach(backends, (backend) => {
  test('every answer forbids browsers to guess its type', async () => {
    await backend.publish('c', { type: 'made' });
    for (const [what, status, type, path, options] of kAnswers) {
      const answer = await backend.send(path, options);
      assert.deepEqual([answer.status, answer.headers['content-type']], [status, type], `${what}: ${answer.body}`);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', what);
      assert.equal(answer.count('X-Content-Type-Options'), 1, what);
    }
  });

  test('an event stream forbids browsers to guess its type', async () => {
    const { length: count } = await database.log({ channels: ['c'] });
    const stream = await backend.stream('c', { cursor: 0, count });
    assert.equal(stream.connections[0].headers['x-content-type-options'], 'nosniff');
  });
});
