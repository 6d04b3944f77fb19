// Methods, and the form of errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const kAllow = 'GET, HEAD, POST, OPTIONS';

forEach(backends, (backend) => {
  const send = (method, path = '/events/cheese', options = {}) => backend.send(path, { method, ...options });

  test('OPTIONS lists the allowed methods', async () => {
    for (const path of ['/events/cheese', '/events/a,b/key']) {
      const answer = await send('OPTIONS', path);
      assert.deepEqual([answer.status, answer.body, answer.headers.allow], [204, '', kAllow]);
    }
  });

  test('answers OPTIONS with a body like one without', async () => {
    assert.equal((await send('OPTIONS', '/events/cheese', { body: 'hello' })).status, 204);
  });

  for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'LOCK']) {
    test(`rejects ${method}`, async () => {
      for (const options of [{}, { body: '{"type":"made"}' }]) {
        const answer = await send(method, '/events/cheese', options);
        assertError(answer, 405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
        assert.equal(answer.headers.allow, kAllow);
      }
    });
  }

  test('answers 404 for an unknown path with every method', async () => {
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
      assertError(await send(method, '/nothing'), 404, 'NOT_FOUND', 'Not found');
    }
    assert.deepEqual([(await send('HEAD', '/nothing')).status, (await send('HEAD', '/nothing')).body], [404, '']);
  });

  test('answers a GET with a body like one without', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    const options = { query: { flavor: 'poll', last_event_id: '0' }, body: 'x'.repeat(1000) };
    const answer = await send('GET', `/events/${channel}`, options);
    assert.equal(answer.status, 200);
    assert.equal(answer.json()[0].id, id);
  });

  test('an error has a length and a JSON body of one line', async () => {
    const answer = await send('GET', '/events/a%20b');
    assert.equal(answer.headers['content-length'], String(answer.raw.length));
    assert.deepEqual(Object.keys(answer.json()), ['result', 'code', 'msg']);
    assert.ok(!answer.body.includes('\n'));
  });

  test('reports an error of an event stream request as JSON', async () => {
    const answer = await send('GET', '/events/a%20b', { headers: { Accept: 'text/event-stream' } });
    assertError(answer, 400, 'BAD_REQUEST', "Invalid channel name 'a b'");
  });

  test('an error contains nothing but the name that the client sent', async () => {
    const answer = await send('GET', "/events/'%3b%20DROP%20TABLE%20x%3b--");
    assertError(answer, 400, 'BAD_REQUEST', "Invalid channel name ''; DROP TABLE x;--'");
  });
});
