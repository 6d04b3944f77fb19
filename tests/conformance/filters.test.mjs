// Only some event types, or all but some; and several channels at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertError, forEach, newChannel, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
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

  test('types= lets only these through', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'typing', 'sold', 'made');
    assert.deepEqual(typesOf(await poll(channel, { types: 'made' })), ['made', 'made']);
    assert.deepEqual(typesOf(await poll(channel, { types: 'sold,typing' })), ['typing', 'sold']);
    assert.deepEqual(typesOf(await poll(channel, { types: 'mad' })), []);
  });

  test('a filter that leaves out much: the answer has a cursor further on, and there is more', async () => {
    const channel = newChannel();
    await database.query(`SELECT count(pgevents.publish($1, 'made', to_json(repeat('x', 300)))) FROM generate_series(1, 25000)`, [channel]);
    const wanted = await database.publish(channel, 'wanted', 1);
    // The ring is not being filled any more: a poll would read along with it, which costs the database nothing.
    await backend.stream(channel, { cursor: wanted - 1, count: 1 });
    const answers = [];
    for (let cursor = 0; answers.flatMap(typesOf).length === 0; cursor = Number(answers.at(-1).cursor)) {
      assert.ok(answers.length < 40, 'it comes to an end');
      answers.push(await backend.poll(channel, { cursor, query: { types: 'wanted' } }));
      if (typesOf(answers.at(-1)).length === 0) assert.equal(answers.at(-1).headers['x-ps-reconnect-in'], '0');
    }
    assert.ok(answers.length > 1, 'no request reads it all');
    assert.deepEqual(answers.at(-1).events.map(({ id }) => id), [wanted]);
    await database.query("DELETE FROM pgevents.log WHERE channel_id = $1", [channel]);
  });

  test('not_types= keeps these back', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'typing', 'sold');
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'typing' })), ['made', 'sold']);
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'typing,made,sold' })), []);
  });

  test('an empty list is no filter', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'made', 'sold');
    assert.deepEqual(typesOf(await poll(channel, { types: '', not_types: '' })), ['made', 'sold']);
  });

  test('the cursor moves past what is kept back', async () => {
    const channel = newChannel();
    const ids = await publishTypes(channel, 'made', 'typing', 'typing');
    const answer = await poll(channel, { not_types: 'typing' });
    assert.deepEqual(answer.events.map(({ id }) => id), [ids[0]]);
    assert.equal(answer.cursor, String(ids[2]));
  });

  test('a filter holds for event streams', async () => {
    const channel = newChannel();
    const ids = await publishTypes(channel, 'typing', 'made', 'typing', 'sold');
    const stream = await backend.stream(channel, { cursor: 0, count: 2, query: { not_types: 'typing' } });
    assert.deepEqual(stream.events.map(({ id }) => id), [ids[1], ids[3]]);
    const only = await backend.stream(channel, { cursor: 0, count: 1, query: { types: 'sold' } });
    assert.deepEqual(only.events.map(({ id }) => id), [ids[3]]);
  });

  test('types are compared whole, percent-decoded, also odd ones', async () => {
    const channel = newChannel();
    await publishTypes(channel, 'à la crème', 'a', 'a b');
    assert.deepEqual(typesOf(await poll(channel, { types: 'à la crème' })), ['à la crème']);
    assert.deepEqual(typesOf(await poll(channel, { not_types: 'a b' })), ['à la crème', 'a']);
  });

  test('both filters at once are refused', async () => {
    const answer = await backend.send('/events/cheese', { query: { types: 'a', not_types: 'b' } });
    assertError(answer, 400, 'BAD_REQUEST', 'Give either types or not_types');
  });

  for (const [what, list] of [['an empty name', 'a,,b'], ['a control character', 'a\nb'], ['a name of 256 bytes', 'x'.repeat(256)]]) {
    test(`a filter with ${what} is refused`, async () => {
      for (const name of ['types', 'not_types']) {
        const answer = await backend.send('/events/cheese', { query: { [name]: list } });
        assertError(answer, 400, 'BAD_REQUEST', 'Invalid event type');
      }
    });
  }

  test('64 types can be named, 65 not', async () => {
    const channel = newChannel();
    await publishTypes(channel, 't64', 't65');
    const list = (count) => Array.from({ length: count }, (_, i) => `t${i + 1}`).join();
    assert.deepEqual(typesOf(await poll(channel, { types: list(64) })), ['t64']);
    const answer = await backend.send(`/events/${channel}`, { query: { types: list(65) } });
    assertError(answer, 400, 'BAD_REQUEST', 'Too many event types (at most 64)');
  });

  test('several channels come as one sequence in commit order', async () => {
    const [a, b, c] = [newChannel(), newChannel(), newChannel()];
    for (const channel of [b, a, c, a, b, b, a, c]) await database.publish(channel, 'made', null);
    const rows = await database.log({ channels: [a, b] });
    const answer = await poll(`${b},${a}`);
    assert.equal(answer.body, pollBody(rows));
    const stream = await backend.stream(`${a},${b}`, { cursor: 0, count: rows.length, query: { envelope: '1' } });
    assert.deepEqual(stream.events.map(({ object }) => object.channel_id), rows.map((row) => row.channel_id));
  });

  test('one cursor holds for all channels of a list', async () => {
    const [a, b] = [newChannel(), newChannel()];
    const ids = [];
    for (const channel of [a, b, a, b]) ids.push(await database.publish(channel, 'made', null));
    const answer = await backend.poll(`${a},${b}`, { cursor: ids[1] });
    assert.deepEqual(answer.events.map(({ id }) => id), ids.slice(2));
  });
});
