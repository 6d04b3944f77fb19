// Nobody gets in by default. Patterns name channels, exactly or with a trailing *; the first refused channel is named.
import { test } from 'node:test';
import assert from 'node:assert/strict';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const some = await startBackends({ database, subscribe: 'cheese.* wine  user:1', publish: 'orders.* wine' });
const none = await startBackends({ database, subscribe: '', publish: '' });

const refused = (answer, name) => assertError(answer, 403, 'FORBIDDEN', `Not authorized for channel '${name}'`);

forEach(some, (backend) => {
  const get = (list, headers = {}) => backend.send(`/events/${list}`, { query: { flavor: headers.Accept ? '' : 'poll' }, headers });
  const post = (channel) => backend.publish(channel, { type: 'made' });

  for (const list of ['cheese.gouda', 'cheese.', 'wine', 'user:1', 'wine,user:1,cheese.brie']) {
    test(`${list} may be subscribed to`, async () => assert.equal((await get(list)).status, 200));
  }

  for (const name of ['cheese', 'winery', 'win', 'user:10', 'orders.1', 'Wine', 'acheese.x']) {
    test(`${name} may not be subscribed to, in any flavour`, async () => {
      refused(await get(name), name);
      refused(await get(name, { Accept: 'text/event-stream' }), name);
    });
  }

  test('one channel that is not granted spoils the list, and the first one is named', async () => {
    refused(await get('wine,beer,cheese.x,ale'), 'beer');
    refused(await get('wine,zoo,ale'), 'zoo');
  });

  test('the right to publish is another one', async () => {
    assert.equal((await post('orders.1')).status, 201);
    assert.equal((await post('wine')).status, 201);
    refused(await post('cheese.gouda'), 'cheese.gouda');
    refused(await post('user:1'), 'user:1');
  });

  test('a bad name is said before a missing right', async () => {
    assertError(await get('be%20er'), 400, 'BAD_REQUEST', "Invalid channel name 'be er'");
  });

  test('a missing right is said before a bad cursor', async () => {
    refused(await backend.send('/events/beer', { query: { last_event_id: 'x' } }), 'beer');
  });
});

forEach(none, (backend) => {
  test('without a pattern nobody may subscribe or publish', async () => {
    refused(await backend.send('/events/cheese', { query: { flavor: 'poll' } }), 'cheese');
    refused(await backend.send('/events/cheese', { headers: { Accept: 'text/event-stream' } }), 'cheese');
    refused(await backend.publish('cheese', { type: 'made' }), 'cheese');
  });
});
