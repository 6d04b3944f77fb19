// Requests for presence, typing and settings while the database is away get 503 with Retry-After; errors in a request
// are reported as usual; and once the database is back the requests succeed again.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
await database.query("INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11')");
const backends = await startBackends({ database, access: { user: '10' } });

const kCalls = [
  ['POST', '/register', '{}'],
  ['POST', '/users/me/presence', '{"status":"idle","ping_only":true}'],
  ['GET', '/users/me/presence'],
  ['GET', '/realm/presence'],
  ['POST', '/typing', '{"op":"start","to":["11"]}'],
  ['PATCH', '/settings', '{"presence_enabled":true}'],
];

function assertAway(answer) {
  assertError(answer, 503, 'SERVICE_UNAVAILABLE', 'The database is not available');
  assert.equal(answer.headers['retry-after'], '5');
}

forEach(backends, (backend) => {
  const send = (method, path, body) => backend.send(path, { method, body });
  const everyStatus = async () => {
    const statuses = [];
    for (const [method, path, body] of kCalls) statuses.push((await send(method, path, body)).status);
    return statuses;
  };
  const served = () => waitFor(async () => (await everyStatus()).every((status) => status === 200),
    { what: 'service' });

  for (const how of ['fast', 'immediate']) {
    test(`answers every call with 503 and Retry-After after a stop (${how}), and with 200 after the start`, async () => {
      await served();
      await cluster.stop(how);
      await waitFor(async () => (await send('GET', '/realm/presence')).status === 503, { what: '503' });
      for (const [method, path, body] of kCalls) assertAway(await send(method, path, body));
      const head = await send('HEAD', '/realm/presence');
      assert.deepEqual([head.status, head.body, head.headers['retry-after']], [503, '', '5']);
      await cluster.start();
      await served();
    });
  }

  test('reports errors in a request without the database', async () => {
    await cluster.stop();
    assertError(await send('POST', '/typing', '['), 400, 'BAD_REQUEST', 'The body is not valid JSON');
    assertError(await send('GET', '/typing'), 405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
    assertError(await send('GET', '/users/a%0ab/presence'), 400, 'BAD_REQUEST', 'No such user');
    assert.equal((await send('OPTIONS', '/settings')).status, 204);
    await cluster.start();
    await served();
  });

  test('replaces a connection that the database has closed', async () => {
    await served();
    for (const [method, path, body] of kCalls) {
      const gone = await database.value(`
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE usename = 'test_server' AND datname = current_database()`);
      if (backend.name === 'fcgi') assert.ok(gone > 0, 'no connection was terminated');
      const answer = await waitFor(async () => {
        const got = await send(method, path, body);
        return got.status !== 503 && got;
      }, { what: 'an answer' });
      assert.equal(answer.status, 200, answer.body);
    }
  });
});
