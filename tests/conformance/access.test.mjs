// Access is denied by default. Patterns name channels exactly or with a trailing *; an error names the first channel
// that is not granted.
import { test } from 'node:test';
import assert from 'node:assert/strict';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const some = await startBackends({ database, subscribe: 'cheese.* wine  user:1', publish: 'orders.* wine' });
const none = await startBackends({ database, subscribe: '', publish: '' });

const assertRejected = (answer, name) => assertError(answer, 403, 'FORBIDDEN', `Not authorized for channel '${name}'`);

forEach(some, (backend) => {
  const get = (list, headers = {}) =>
    backend.send(`/events/${list}`, { query: { flavor: headers.Accept ? '' : 'poll' }, headers });
  const post = (channel) => backend.publish(channel, { type: 'made' });

  for (const list of ['cheese.gouda', 'cheese.', 'wine', 'user:1', 'wine,user:1,cheese.brie']) {
    test(`accepts a subscription to ${list}`, async () => assert.equal((await get(list)).status, 200));
  }

  for (const name of ['cheese', 'winery', 'win', 'user:10', 'orders.1', 'Wine', 'acheese.x']) {
    test(`rejects a subscription to ${name} in every flavour`, async () => {
      assertRejected(await get(name), name);
      assertRejected(await get(name, { Accept: 'text/event-stream' }), name);
    });
  }

  test('rejects a list with a channel that is not granted, and names the first one', async () => {
    assertRejected(await get('wine,beer,cheese.x,ale'), 'beer');
    assertRejected(await get('wine,zoo,ale'), 'zoo');
  });

  test('checks the right to publish separately from the right to subscribe', async () => {
    assert.equal((await post('orders.1')).status, 201);
    assert.equal((await post('wine')).status, 201);
    assertRejected(await post('cheese.gouda'), 'cheese.gouda');
    assertRejected(await post('user:1'), 'user:1');
  });

  test('reports an invalid name before a missing right', async () => {
    assertError(await get('be%20er'), 400, 'BAD_REQUEST', "Invalid channel name 'be er'");
  });

  test('reports a missing right before an invalid cursor', async () => {
    assertRejected(await backend.send('/events/beer', { query: { last_event_id: 'x' } }), 'beer');
  });
});

forEach(none, (backend) => {
  test('without a pattern, rejects every subscription and publication', async () => {
    assertRejected(await backend.send('/events/cheese', { query: { flavor: 'poll' } }), 'cheese');
    assertRejected(await backend.send('/events/cheese', { headers: { Accept: 'text/event-stream' } }), 'cheese');
    assertRejected(await backend.publish('cheese', { type: 'made' }), 'cheese');
  });
});
