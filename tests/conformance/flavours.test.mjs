// The three transports (poll, long poll, event stream): how a request chooses one, and the headers of each answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { eventObject, pollBody, streamOpening } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

async function oneEvent() {
  const channel = newChannel();
  const id = await database.publish(channel, 'made', { n: 1 });
  const [row] = await database.log({ channels: [channel] });
  return { channel, id, row, query: { last_event_id: '0' } };
}

const typeOf = (answer) => answer.headers['content-type'];

forEach(backends, (backend) => {
  const send = (channel, query, headers = {}) => backend.send(`/events/${channel}`, { query, headers });

  // Opens a stream, reads one event and closes it. Gives the answer's headers.
  async function opensStream(channel, query, headers) {
    const parameters = { last_event_id: '0', ...query };
    const stream = await backend.stream(channel,
      { query: parameters, headers: { Accept: '*/*', ...headers }, count: 1 });
    return stream.connection.headers;
  }

  test('answers a poll at once, with an array and the time until the next poll', async () => {
    const { channel, row, query } = await oneEvent();
    const answer = await send(channel, { ...query, flavor: 'poll' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, pollBody([row]));
    assert.equal(typeOf(answer), 'application/json');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['x-ps-reconnect-in'], '5');
    assert.equal(answer.headers['x-shortpoll-info'], 'requested');
    assert.equal(answer.headers['last-event-id'], String(row.id));
  });

  test('answers a long poll with events at once', async () => {
    const { channel, row, query } = await oneEvent();
    for (const asked of [query, { ...query, flavor: 'long-poll' }]) {
      const answer = await send(channel, asked);
      assert.equal(answer.body, pollBody([row]));
      assert.equal(typeOf(answer), 'application/json');
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['x-ps-reconnect-in'], backend.differs.longPollReconnectIn);
      assert.equal(answer.headers['x-shortpoll-info'], backend.differs.longPollInfo);
      assert.equal(answer.headers['last-event-id'], String(row.id));
    }
  });

  test('answers a long poll with timeout=0 at once, without events', async () => {
    const { channel } = await oneEvent();
    const answer = await send(channel, { timeout: '0' });
    assert.deepEqual([answer.status, answer.body], [200, '[]']);
    assert.equal(answer.headers['last-event-id'], String(await database.head()));
  });

  for (const header of ['X-PS-Reconnect-In', 'Last-Event-ID', 'Cache-Control', 'Content-Type']) {
    test(`an answer has ${header} once`, async () => {
      const { channel, query } = await oneEvent();
      assert.equal((await send(channel, { ...query, flavor: 'poll' })).count(header), 1);
    });
  }

  test('an event stream has its type, and must not be cached or buffered', async () => {
    const { channel } = await oneEvent();
    const headers = await opensStream(channel, {}, { Accept: 'text/event-stream' });
    assert.equal(headers['content-type'], 'text/event-stream');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['content-length'], undefined);
    assert.equal(headers['x-accel-buffering'], backend.differs.buffering);
  });

  test('an event stream begins with the retry time', async () => {
    const { channel, id } = await oneEvent();
    const stream = await backend.stream(channel, { cursor: 0, count: 1 });
    assert.equal(stream.blocks[0].raw.toString(), streamOpening(backend.differs.retry, 0));
    assert.equal(stream.blocks[1].raw.toString(), `event: made\ndata: {"n":1}\nid: ${id}\n\n`);
  });

  test('chooses a stream by Accept in all its spellings, by the query, or by a header', async () => {
    const { channel } = await oneEvent();
    const spellings = [
      'text/event-stream', 'Text/Event-Stream', 'text/html, text/event-stream;q=0.9', 'text/event-stream; x=1',
    ];
    for (const accept of spellings) {
      await opensStream(channel, {}, { Accept: accept });
    }
    await opensStream(channel, { flavor: 'eventsource' }, {});
    await opensStream(channel, {}, { Flavor: 'eventsource' });
  });

  test('chooses a long poll otherwise', async () => {
    const { channel, query } = await oneEvent();
    for (const accept of [undefined, '*/*', 'text/html', 'text/event-streams', '']) {
      const headers = accept === undefined ? {} : { Accept: accept };
      assert.equal(typeOf(await send(channel, query, headers)), 'application/json');
    }
  });

  test('an explicit flavour takes precedence over Accept', async () => {
    const { channel, query } = await oneEvent();
    const accept = { Accept: 'text/event-stream' };
    assert.equal(typeOf(await send(channel, { ...query, flavor: 'poll' }, accept)), 'application/json');
    assert.equal(typeOf(await send(channel, { ...query, flavor: 'long-poll' }, accept)), 'application/json');
    assert.equal(typeOf(await send(channel, query, { ...accept, Flavor: 'poll' })), 'application/json');
  });

  for (const flavor of ['websocket', 'Poll', 'long_poll', 'eventsource2']) {
    test(`rejects the flavour ${flavor}`, async () => {
      const msg = `Unknown flavor '${flavor}'`;
      assertError(await send('cheese', { flavor }), 400, 'BAD_REQUEST', msg);
      assertError(await send('cheese', {}, { Flavor: flavor }), 400, 'BAD_REQUEST', msg);
    });
  }

  test('treats an empty flavour as none', async () => {
    const { channel, query } = await oneEvent();
    assert.equal(typeOf(await send(channel, { ...query, flavor: '' })), 'application/json');
  });

  test('rejects a very long flavour without repeating it, and escapes special characters in the error', async () => {
    assertError(await send('cheese', { flavor: 'x'.repeat(300) }), 400, 'BAD_REQUEST', 'Unknown flavor');
    const quoted = await backend.send('/events/cheese', { query: 'flavor=%22%5c%0a%3c' });
    assertError(quoted, 400, 'BAD_REQUEST', `Unknown flavor '"\\\n<'`);
  });

  test('answers HEAD like a poll, without a body', async () => {
    const { channel, query } = await oneEvent();
    for (const headers of [{}, { Accept: 'text/event-stream' }]) {
      const answer = await backend.send(`/events/${channel}`, { method: 'HEAD', query, headers });
      assert.deepEqual([answer.status, answer.body], [200, '']);
      assert.equal(typeOf(answer), 'application/json');
      assert.equal(answer.headers['x-shortpoll-info'], 'requested');
      assert.equal(answer.headers['last-event-id'], String(await database.head()));
    }
  });

  test('answers HEAD with an invalid cursor with the status of the error', async () => {
    const answer = await backend.send('/events/cheese', { method: 'HEAD', query: { last_event_id: 'x' } });
    assert.deepEqual([answer.status, answer.body], [400, '']);
  });

  test('envelope=1 sends the whole event in a stream', async () => {
    const { channel, id, row } = await oneEvent();
    const stream = await backend.stream(channel, { cursor: 0, count: 1, query: { envelope: '1' } });
    assert.equal(stream.events[0].raw.toString(), `event: made\ndata: ${eventObject(row)}\nid: ${id}\n\n`);
  });

  test('envelope=0 or empty sends only the data', async () => {
    const { channel } = await oneEvent();
    for (const envelope of ['0', '']) {
      const stream = await backend.stream(channel, { cursor: 0, count: 1, query: { envelope } });
      assert.equal(stream.events[0].data, '{"n":1}');
    }
  });

  test('envelope has no effect on a poll', async () => {
    const { channel, row, query } = await oneEvent();
    assert.equal((await send(channel, { ...query, flavor: 'poll', envelope: '1' })).body, pollBody([row]));
  });

  for (const envelope of ['2', 'true', '-1', '01']) {
    test(`rejects envelope=${envelope}`, async () => {
      assertError(await send('cheese', { envelope }), 400, 'BAD_REQUEST', 'Invalid envelope (0 or 1)');
    });
  }

  for (const timeout of ['-1', 'abc', 'inf', 'nan', '1s', '1e3', '0x1', ' 1', '1..5']) {
    test(`rejects timeout=${timeout}`, async () => {
      assertError(await send('cheese', { timeout }), 400, 'BAD_REQUEST', 'Invalid timeout');
    });
  }

  for (const timeout of ['0', '0.001', '25', '99999999999', '9'.repeat(400), '']) {
    test(`accepts timeout=${timeout.slice(0, 12)}`, async () => {
      const { channel, row, query } = await oneEvent();
      assert.equal((await send(channel, { ...query, timeout })).body, pollBody([row]));
    });
  }

  test('ignores unknown parameters', async () => {
    const { channel, row, query } = await oneEvent();
    assert.equal((await send(channel, { ...query, _: '1406125522481', foo: 'bar' })).body, pollBody([row]));
  });

  test('rejects a query with invalid percent-encoding or UTF-8', async () => {
    for (const query of ['flavor=poll&x=%', 'flavor=poll&x=%4', 'flavor=poll&x=%zz', 'flavor=%ff%fe']) {
      const answer = await backend.send('/events/cheese', { query });
      assertError(answer, 400, 'BAD_REQUEST', 'Invalid encoding in the query');
    }
  });
});
