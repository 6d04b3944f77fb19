// While the database is away, requests get 503 with Retry-After, except for event streams, because browsers do not
// reconnect after an error. Errors in a request are reported as usual, and an earlier cursor loses nothing. The module
// serves what its ring has; tests/module/outage_ring.test.mjs has more about that.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, kBase, newChannel, startBackends } from '../lib/backends.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { parsePollBody, streamWaiting } from '../lib/wire.mjs';

const cluster = await startCluster();
const database = await cluster.createDatabase();
const backends = await startBackends({ database });

function assertAway(answer) {
  assertError(answer, 503, 'SERVICE_UNAVAILABLE', 'The database is not available');
  assert.equal(answer.headers['retry-after'], '5');
}

// The factor by which a retry time may exceed the usual one.
const kSpread = { module: 5, fcgi: 3, cgi: 3 };

// Asserts that a stream gets a cursor to resume from, and ends if the back-end holds no streams. Gives the cursor.
async function assertStreamWaits(backend, channel, cursor) {
  const stream = new EventStream({ port: backend.port, path: `${kBase}/events/${channel}`, cursor });
  await stream.waitForBlock(({ kind }) => kind === 'waiting');
  if (backend.differs.streamEnds) assert.equal((await stream.ended()).how, 'end');
  await stream.close();
  stream.assertStrict();
  const { status, headers } = stream.connection;
  assert.deepEqual([status, headers['content-type'], headers['cache-control']], [200, 'text/event-stream', 'no-store']);
  const { retry, cursor: id } = streamWaiting(stream.text());
  const shortest = backend.differs.retry;
  assert.ok(retry >= shortest && retry <= kSpread[backend.name] * shortest, `retry ${retry}`);
  return id;
}

// Ids that no ring has.
const kStarts = [['700', '700'], ['701', '701'], ['rt-1.5', 'rt-1.500000'], ['rt-1406125522', 'rt-1406125522']];

forEach(backends, (backend) => {
  const get = (channel, query = {}, headers = {}) => backend.send(`/events/${channel}`, { query, headers });
  const isBack = async () => (await get('cheese', { flavor: 'poll' })).status === 200;

  for (const how of ['fast', 'immediate']) {
    test(`answers 503 after a stop (${how}), lets streams wait, and serves again after the start`, async () => {
      const channel = newChannel();
      const { cursor } = await backend.poll(channel);
      const before = await database.publish(channel, 'made', 1);
      await backend.stream(channel, { cursor, count: 1 }); // a ring has it now
      await cluster.stop(how);
      const isAway = async () => (await get(channel, { flavor: 'poll' })).status === 503;
      await waitFor(isAway, { what: '503' });
      assertAway(await get(channel, { flavor: 'poll', last_event_id: '700' }));
      assertAway(await get(channel, {}, { 'Last-Event-ID': '700' }));
      const asked = [await get(channel, { flavor: 'poll', last_event_id: cursor }),
        await get(channel, {}, { 'Last-Event-ID': cursor })];
      for (const answer of asked) {
        if (backend.differs.ring) assert.deepEqual(parsePollBody(answer.body).map(({ id }) => id), [before]);
        else assertAway(answer);
      }
      assertAway(await get(channel, { last_event_id: 'rt-1' }));
      for (const [given, expected] of kStarts) assert.equal(await assertStreamWaits(backend, channel, given), expected);
      const arrived = Date.now() / 1000;
      const start = await assertStreamWaits(backend, channel);
      assert.match(start, /^rt-[0-9]+$/);
      const margin = arrived - Number(start.slice(3));
      assert.ok(margin >= 4.9 && margin <= 7, `${start} at ${arrived}`);
      assertAway(await backend.publish(channel, { type: 'made' }));
      await cluster.start();
      await waitFor(isBack, { what: 'service again' });
      const after = await database.publish(channel, 'made', 2);
      const answer = await waitFor(async () => {
        const poll = await backend.poll(channel, { cursor });
        return poll.events.length > 1 && poll;
      }, { what: 'both events' });
      assert.deepEqual(answer.events.map(({ id }) => id), [before, after]);
      const later = answer.events.filter(({ ts }) => Number(ts) > Number(start.slice(3)));
      const back = await backend.stream(channel, { cursor: start, count: later.length });
      assert.equal(back.events.at(-1).id, after);
    });
  }

  test('reports errors in a request without the database', async () => {
    await cluster.stop();
    assertError(await get('a%20b'), 400, 'BAD_REQUEST', "Invalid channel name 'a b'");
    assertError(await get('a', { last_event_id: 'x' }), 400, 'BAD_REQUEST', 'Invalid Last-Event-ID');
    assertError(await backend.publish('a', '{"type":"a\\nb"}'), 400, 'BAD_REQUEST', 'Invalid event type');
    assert.equal((await backend.send('/events/a', { method: 'OPTIONS' })).status, 204);
    await cluster.start();
    await waitFor(isBack, { what: 'service again' });
  });

  test('answers HEAD with 503 without a body, also for a stream', async () => {
    await cluster.stop();
    const head = (query) => backend.send('/events/a', { method: 'HEAD', query });
    await waitFor(async () => (await head()).status === 503, { what: '503' });
    const answer = await head({ flavor: 'eventsource' });
    assert.equal(answer.status, 503);
    assert.deepEqual([answer.body, answer.headers['retry-after']], ['', '5']);
    await cluster.start();
    await waitFor(isBack, { what: 'service again' });
  });
});
