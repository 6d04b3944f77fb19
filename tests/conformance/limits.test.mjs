// The operator's limits: the pattern of names, the number of channels, the size of events.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';

const database = await (await sharedCluster()).createDatabase();
const small = await startBackends({ database, limits: { maxChannels: 2, maxEventSize: '1k' } });
const greek = await startBackends({ database, limits: { channelPattern: '[\\p{Greek}/]+|x' } });

forEach(small, (backend) => {
  test('accepts two channels, rejects three', async () => {
    assert.equal((await backend.poll('a,b,a')).status, 200);
    const answer = await backend.send('/events/a,b,c', { query: { flavor: 'poll' } });
    assertError(answer, 400, 'BAD_REQUEST', 'Too many channels (at most 2)');
  });

  test('accepts a kilobyte, rejects one byte more', async () => {
    const body = (size) => `{"type":"made","data":"${'x'.repeat(size - 25)}"}`;
    assert.equal((await backend.publish('a', body(1024))).status, 201);
    assertError(await backend.publish('a', body(1025)), 413, 'PAYLOAD_TOO_LARGE', 'The body is larger than 1024 bytes');
  });

  test('delivers events of the log whatever their size', async () => {
    const id = await database.publish('large', 'made', 'x'.repeat(5000));
    assert.deepEqual((await backend.poll('large', { cursor: 0 })).events.map((event) => event.id).slice(-1), [id]);
  });
});

forEach(greek, (backend) => {
  const query = { flavor: 'poll', last_event_id: '0' };
  const get = (name) => backend.send(`/events/${encodeURIComponent(name)}`, { query });

  test('the pattern must match whole names', async () => {
    assert.equal((await get('τυρί')).status, 200);
    assert.equal((await get('x')).status, 200);
    for (const name of ['xx', 'τυρίx', 'cheese']) {
      assertError(await get(name), 400, 'BAD_REQUEST', `Invalid channel name '${name}'`);
    }
  });

  test('the pattern also applies to published types', async () => {
    assert.equal((await backend.publish('x', { type: 'τυρί' })).status, 201);
    assertError(await backend.publish('x', { type: 'made' }), 400, 'BAD_REQUEST', 'Invalid event type');
  });

  test('delivers names outside ASCII unchanged', async () => {
    const id = await database.publish('τυρί', 'made', { a: 1 });
    const answer = await get('τυρί');
    assert.deepEqual(answer.json().map((event) => [event.id, event.channel_id]).slice(-1), [[id, 'τυρί']]);
  });
});
