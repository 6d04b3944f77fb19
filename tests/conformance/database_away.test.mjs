// The database goes away and comes back: 503 with word of when to try again, errors of the client's own are told as ever,
// and a cursor from before loses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
const backends = await startBackends({ database });

function assertAway(answer) {
  assertError(answer, 503, 'SERVICE_UNAVAILABLE', 'The database is not available');
  assert.equal(answer.headers['retry-after'], '5');
}

forEach(backends, (backend) => {
  const get = (channel, query = {}, headers = {}) => backend.send(`/events/${channel}`, { query, headers });
  const isBack = async () => (await get('cheese', { flavor: 'poll', last_event_id: '0' })).status === 200;

  for (const how of ['fast', 'immediate']) {
    test(`away after a stop (${how}): 503 for each flavour and for publishing, then service again`, async () => {
      const channel = newChannel();
      const { cursor } = await backend.poll(channel);
      const before = await database.publish(channel, 'made', 1);
      await cluster.stop(how);
      await waitFor(async () => (await get(channel, { flavor: 'poll', last_event_id: cursor })).status === 503, { what: '503' });
      assertAway(await get(channel, { flavor: 'poll' }));
      assertAway(await get(channel, { flavor: 'poll', last_event_id: cursor }));
      assertAway(await get(channel, {}, { 'Last-Event-ID': cursor }));
      assertAway(await get(channel, { last_event_id: 'rt-1' }));
      assertAway(await get(channel, {}, { Accept: 'text/event-stream' }));
      assertAway(await get(channel, {}, { Accept: 'text/event-stream', 'Last-Event-ID': '0' }));
      assertAway(await backend.publish(channel, { type: 'made' }));
      await cluster.start();
      await waitFor(isBack, { what: 'service again' });
      const after = await database.publish(channel, 'made', 2);
      const answer = await waitFor(async () => {
        const poll = await backend.poll(channel, { cursor });
        return poll.events.length > 1 && poll;
      }, { what: 'both events' });
      assert.deepEqual(answer.events.map(({ id }) => id), [before, after]);
    });
  }

  test('what is wrong with a request is said without the database', async () => {
    await cluster.stop();
    assertError(await get('a%20b'), 400, 'BAD_REQUEST', "Invalid channel name 'a b'");
    assertError(await get('a', { last_event_id: 'x' }), 400, 'BAD_REQUEST', 'Invalid Last-Event-ID');
    assertError(await backend.publish('a', '{"type":"a\\nb"}'), 400, 'BAD_REQUEST', 'Invalid event type');
    assert.equal((await backend.send('/events/a', { method: 'OPTIONS' })).status, 204);
    await cluster.start();
    await waitFor(isBack, { what: 'service again' });
  });

  test('HEAD says 503 without a body', async () => {
    await cluster.stop();
    await waitFor(async () => (await backend.send('/events/a', { method: 'HEAD' })).status === 503, { what: '503' });
    const answer = await backend.send('/events/a', { method: 'HEAD' });
    assert.deepEqual([answer.body, answer.headers['retry-after']], ['', '5']);
    await cluster.start();
    await waitFor(isBack, { what: 'service again' });
  });
});
