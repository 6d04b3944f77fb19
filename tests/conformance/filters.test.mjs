// Filters by event type, and several channels at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { waitFor } from '../lib/conditions.mjs';
import { pollBody } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();
const backends = await startBackends({ database });

async function publishTypes(channel, ...types) {
  const ids = [];
  for (const type of types) ids.push(await database.publish(channel, type, null));
  return ids;
}

const typesOf = (answer) => answer.events.map((event) => event.type);

forEach(backends, (backend) => {
  const poll = (channel, query) => backend.poll(channel, { cursor: 0, query });

  test('types= delivers only these types', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'typing', 'sold', 'made');
    assert.deepEqual(typesOf(await poll(channel, { types: 'made' })), ['made', 'made']);
    assert.deepEqual(typesOf(await poll(channel, { types: 'sold,typing' })), ['typing', 'sold']);
    assert.deepEqual(typesOf(await poll(channel, { types: 'mad' })), []);
  });

  test('with a filter that skips many events, polls advance the cursor and ask for the next poll at once', async () => {
    const channel = newChannel();
    const publishMany = `
      SELECT count(pgevents.publish($1, 'made', to_json(repeat('x', 300)))) FROM generate_series(1, 25000)`;
    await database.query(publishMany, [channel]);
    await database.settled();
    const wanted = await database.publish(channel, 'wanted', 1);
    const pollAll = async () => {
      const answers = [];
      for (let cursor = 0; answers.flatMap(typesOf).length === 0; cursor = Number(answers.at(-1).cursor)) {
        assert.ok(answers.length < 40, 'too many polls');
        answers.push(await backend.poll(channel, { cursor, query: { types: 'wanted' } }));
        if (typesOf(answers.at(-1)).length === 0) assert.equal(answers.at(-1).headers['x-ps-reconnect-in'], '0');
      }
      assert.deepEqual(answers.at(-1).events.map(({ id }) => id), [wanted]);
      return answers.length;
    };
    // While the ring still fills, a poll may read everything from it, at no cost to the database. Later the ring has
    // the newest events only.
    await waitFor(async () => await pollAll() > 1, { what: 'one request does not read all events' });
    await database.query("DELETE FROM pgevents.log WHERE channel_id = $1", [channel]);
  });

  test('not_types= skips these types', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'typing', 'sold');
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'typing' })), ['made', 'sold']);
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'typing,made,sold' })), []);
  });

  test('treats an empty list as no filter', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'sold');
    assert.deepEqual(typesOf(await poll(channel, { types: '', not_types: '' })), ['made', 'sold']);
  });

  test('moves the cursor past skipped events', async () => {
    const channel = newChannel();
    const ids = await publishTypes(channel, 'made', 'typing', 'typing');
    const answer = await poll(channel, { not_types: 'typing' });
    assert.deepEqual(answer.events.map(({ id }) => id), [ids[0]]);
    assert.equal(answer.cursor, String(ids[2]));
  });

  test('applies a filter to event streams', async () => {
    const channel = newChannel();
    const ids = await publishTypes(channel, 'typing', 'made', 'typing', 'sold');
    const stream = await backend.stream(channel, { cursor: 0, count: 2, query: { not_types: 'typing' } });
    assert.deepEqual(stream.events.map(({ id }) => id), [ids[1], ids[3]]);
    const only = await backend.stream(channel, { cursor: 0, count: 1, query: { types: 'sold' } });
    assert.deepEqual(only.events.map(({ id }) => id), [ids[3]]);
  });

  test('compares whole types after percent-decoding, including unusual ones', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'à la crème', 'a', 'a b');
    assert.deepEqual(typesOf(await poll(channel, { types: 'à la crème' })), ['à la crème']);
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'a b' })), ['à la crème', 'a']);
  });

  test('rejects both filters at once', async () => {
    const answer = await backend.send('/events/cheese', { query: { types: 'a', not_types: 'b' } });
    assertError(answer, 400, 'BAD_REQUEST', 'Give either types or not_types');
  });

  const invalid = [['an empty name', 'a,,b'], ['a control character', 'a\nb'],
    ['a name of 256 bytes', 'x'.repeat(256)]];
  for (const [what, list] of invalid) {
    test(`rejects a filter with ${what}`, async () => {
      for (const name of ['types', 'not_types']) {
        const answer = await backend.send('/events/cheese', { query: { [name]: list } });
        assertError(answer, 400, 'BAD_REQUEST', 'Invalid event type');
      }
    });
  }

  test('accepts 64 types and rejects 65', async () => {
    const channel = newChannel();
    await publishTypes(channel, 't64', 't65');
    const list = (count) => Array.from({ length: count }, (_, i) => `t${i + 1}`).join();
    assert.deepEqual(typesOf(await poll(channel, { types: list(64) })), ['t64']);
    const answer = await backend.send(`/events/${channel}`, { query: { types: list(65) } });
    assertError(answer, 400, 'BAD_REQUEST', 'Too many event types (at most 64)');
  });

  test('delivers several channels as one sequence in commit order', async () => {
    const [a, b, c] = [newChannel(), newChannel(), newChannel()];
    for (const channel of [b, a, c, a, b, b, a, c]) await database.publish(channel, 'made', null);
    const rows = await database.log({ channels: [a, b] });
    const answer = await poll(`${b},${a}`);
    assert.equal(answer.body, pollBody(rows));
    const stream = await backend.stream(`${a},${b}`, { cursor: 0, count: rows.length, query: { envelope: '1' } });
    assert.deepEqual(stream.events.map(({ object }) => object.channel_id), rows.map((row) => row.channel_id));
  });

  test('uses one cursor for all channels of a list', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const ids = [];
    for (const channel of [a, b, a, b]) ids.push(await database.publish(channel, 'made', null));
    const answer = await backend.poll(`${a},${b}`, { cursor: ids[1] });
    assert.deepEqual(answer.events.map(({ id }) => id), ids.slice(2));
  });
});
