// Methods, and the form of every complaint.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

const kAllow = 'GET, HEAD, POST, OPTIONS';

forEach(backends, (backend) => {
  const send = (method, path = '/events/cheese', options = {}) => backend.send(path, { method, ...options });

  test('OPTIONS says what is allowed', async () => {
    for (const path of ['/events/cheese', '/events/a,b/key']) {
      const answer = await send('OPTIONS', path);
      assert.deepEqual([answer.status, answer.body, answer.headers.allow], [204, '', kAllow]);
    }
  });

  test('OPTIONS with a body is answered all the same', async () => {
    assert.equal((await send('OPTIONS', '/events/cheese', { body: 'hello' })).status, 204);
  });

  for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'LOCK']) {
    test(`${method} is not allowed`, async () => {
      for (const options of [{}, { body: '{"type":"made"}' }]) {
        const answer = await send(method, '/events/cheese', options);
        assertError(answer, 405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
        assert.equal(answer.headers.allow, kAllow);
      }
    });
  }

  test('a path that is nothing is nothing for every method', async () => {
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
      assertError(await send(method, '/nothing'), 404, 'NOT_FOUND', 'Not found');
    }
    assert.deepEqual([(await send('HEAD', '/nothing')).status, (await send('HEAD', '/nothing')).body], [404, '']);
  });

  test('a GET with a body is a GET', async () => {
    const channel = newChannel();
    const id = await database.publish(channel, 'made', null);
    const options = { query: { flavor: 'poll', last_event_id: '0' }, body: 'x'.repeat(1000) };
    const answer = await send('GET', `/events/${channel}`, options);
    assert.equal(answer.status, 200);
    assert.equal(answer.json()[0].id, id);
  });

  test('an error has its length and a JSON body of one line', async () => {
    const answer = await send('GET', '/events/a%20b');
    assert.equal(answer.headers['content-length'], String(answer.raw.length));
    assert.deepEqual(Object.keys(answer.json()), ['result', 'code', 'msg']);
    assert.ok(!answer.body.includes('\n'));
  });

  test('an event stream that cannot be is an error like any other', async () => {
    const answer = await send('GET', '/events/a%20b', { headers: { Accept: 'text/event-stream' } });
    assertError(answer, 400, 'BAD_REQUEST', "Invalid channel name 'a b'");
  });

  test('an error says nothing of what is behind', async () => {
    const answer = await send('GET', "/events/'%3b%20DROP%20TABLE%20x%3b--");
    assertError(answer, 400, 'BAD_REQUEST', "Invalid channel name ''; DROP TABLE x;--'");
  });
});
