// Cursors: ids, 0, times, "from now on", and every spelling that is rejected.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { formatTs } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

// Publishes three events in a new channel and one in another, so that the head is not the channel's last event.
async function threeEvents() {
  const channel = newChannel();
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(await database.publish(channel, 'made', { n }));
  await database.publish('elsewhere', 'made', null);
  const log = await database.log({ channels: [channel] });
  return { channel, ids, times: log.map((row) => row.ts_us) };
}

const idsOf = (answer) => answer.events.map((event) => event.id);

forEach(backends, (backend) => {
  test('after an id it delivers the later events, and the head as the next cursor', async () => {
    const { channel, ids } = await threeEvents();
    const answer = await backend.poll(channel, { cursor: ids[0] });
    assert.deepEqual(idsOf(answer), ids.slice(1));
    assert.equal(answer.cursor, String(await database.head()));
  });

  test('after the id of the last event it delivers nothing, and a cursor for the next poll', async () => {
    const { channel, ids } = await threeEvents();
    const answer = await backend.poll(channel, { cursor: ids[2] });
    assert.equal(answer.body, '[]');
    const next = await database.publish(channel, 'made', null);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: answer.cursor })), [next]);
  });

  test('after 0 it delivers all kept events', async () => {
    const { channel, ids } = await threeEvents();
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: 0 })), ids);
  });

  test('without a cursor it delivers events from now on', async () => {
    const { channel } = await threeEvents();
    const answer = await backend.poll(channel);
    assert.equal(answer.body, '[]');
    assert.equal(answer.cursor, String(await database.head()));
    const next = await database.publish(channel, 'made', null);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: answer.cursor })), [next]);
  });

  test('treats an empty cursor, in the header or in the query, as none', async () => {
    const { channel, ids } = await threeEvents();
    assert.equal((await backend.poll(channel, { cursor: '' })).body, '[]');
    assert.equal((await backend.poll(channel, { query: { last_event_id: '' } })).body, '[]');
    const answer = await backend.poll(channel, { cursor: '', query: { last_event_id: ids[1] } });
    assert.deepEqual(idsOf(answer), [ids[2]]);
  });

  test('after a time it delivers later events', async () => {
    const { channel, ids, times } = await threeEvents();
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${formatTs(times[0])}` })), ids.slice(1));
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${formatTs(times[0] - 1)}` })), ids);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${formatTs(times[2])}` })), []);
  });

  test('accepts a time in whole seconds, or with more digits than the clock', async () => {
    const { channel, ids, times } = await threeEvents();
    const seconds = Math.floor(times[0] / 1e6);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${seconds - 1}` })), ids);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${seconds - 1}.5` })), ids);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${formatTs(times[0])}000` })), ids.slice(1));
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: 'rt-0' })), ids);
    assert.deepEqual(idsOf(await backend.poll(channel, { cursor: `rt-${seconds + 3600}` })), []);
  });

  test('replaces a time by an id in the first answer, even an empty one', async () => {
    const { channel, times } = await threeEvents();
    const answer = await backend.poll(channel, { cursor: `rt-${formatTs(times[2])}` });
    assert.equal(answer.cursor, String(await database.head()));
  });

  test('the header takes precedence over the query', async () => {
    const { channel, ids } = await threeEvents();
    const answer = await backend.poll(channel, { cursor: ids[1], query: { last_event_id: '0' } });
    assert.deepEqual(idsOf(answer), [ids[2]]);
  });

  for (const name of ['last_event_id', 'lastEventId', 'lastEventID']) {
    test(`accepts ${name} in the query`, async () => {
      const { channel, ids } = await threeEvents();
      assert.deepEqual(idsOf(await backend.poll(channel, { query: { [name]: ids[1] } })), [ids[2]]);
    });
  }

  const invalid = [
    'abc', '-1', '+1', '1.5', '1e3', '0x10', '12abc', '1,2', '9223372036854775808', '9'.repeat(300), '１',
    'rt-', 'rt-x', 'rt--1', 'rt-+1', 'rt-1.', 'rt-.5', 'rt-1.2.3', 'rt-1e5', 'RT-1', 'rt-99999999999999', 'rt-1 ', "1'--",
  ];
  for (const cursor of invalid) {
    test(`rejects the cursor ${cursor.slice(0, 24)}`, async () => {
      for (const headers of [{}, { Accept: 'text/event-stream' }]) {
        const answer = await backend.send(`/events/${newChannel()}`, { query: { last_event_id: cursor }, headers });
        assertError(answer, 400, 'BAD_REQUEST', 'Invalid Last-Event-ID');
      }
    });
  }

  test('rejects an invalid header although the query is valid', async () => {
    const headers = { 'Last-Event-ID': 'abc' };
    const answer = await backend.send('/events/cheese', { query: { flavor: 'poll', last_event_id: '0' }, headers });
    assertError(answer, 400, 'BAD_REQUEST', 'Invalid Last-Event-ID');
  });

  test('an event stream opens with the cursor before its first frame', async () => {
    const { channel, ids, times } = await threeEvents();
    for (const [cursor, expected] of [[ids[0], ids.slice(1)], [0, ids], [`rt-${formatTs(times[1])}`, ids.slice(2)]]) {
      const stream = await backend.stream(channel, { cursor, count: expected.length });
      assert.deepEqual(stream.events.map(({ id }) => id), expected);
      assert.equal(stream.blocks[0].kind, 'opening');
      if (Number.isInteger(cursor)) assert.equal(stream.opening.id, cursor);
      assert.ok(stream.opening.id < expected[0], `opening id ${stream.opening.id}`);
    }
  });

  test('an event stream without a cursor opens with the head', async () => {
    const { channel } = await threeEvents();
    const head = await database.head();
    // The module may receive the newest events a moment later; then they follow, and none is lost.
    await waitFor(async () => {
      const stream = await backend.stream(channel, { count: 0 });
      assert.ok(stream.opening.id <= head);
      return stream.opening.id === head;
    }, { what: `a stream that opens with ${head}` });
  });

  test('resumes without loss from the last cursor of a stream', async () => {
    const { channel, ids } = await threeEvents();
    const stream = await backend.stream(channel, { cursor: ids[0], count: 2 });
    const next = await database.publish(channel, 'made', null);
    const second = await backend.stream(channel, { cursor: stream.cursor, count: 1 });
    assert.equal(second.events[0].id, next);
  });
});

test('a client may use another back-end for every request', async () => {
  const { channel, ids } = await threeEvents();
  let { cursor } = await backends[0].poll(channel, { cursor: ids[2] });
  const sent = [];
  const received = [];
  for (let i = 0; i < 4 * backends.length; i++) {
    sent.push(await database.publish(channel, 'made', { i }));
    const backend = backends[i % backends.length];
    if (i % 2 === 0) {
      const answer = await backend.poll(channel, { cursor });
      received.push(...idsOf(answer));
      ({ cursor } = answer);
    } else {
      const stream = await backend.stream(channel, { cursor, count: 1 });
      received.push(...stream.events.map(({ id }) => id));
      ({ cursor } = stream);
    }
  }
  assert.deepEqual(received, sent);
});
