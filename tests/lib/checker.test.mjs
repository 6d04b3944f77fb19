// The judge must find every kind of fault: each one is planted here once.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { assertDelivered, expectedRows, judge, judgeLog } from './checker.mjs';

const row = (id, channel_id = 'cheese', more = {}) => ({
  id, channel_id, ts_us: 1_000_000 * id, type: 'made', data: `{"n":${id}}`, ...more });
const log = [row(2), row(3, 'wine'), row(5), row(8), row(9, 'wine'), row(10, 'cheese', { type: 'sold' })];
const cheese = expectedRows(log, { channels: ['cheese'] });
const delivered = (...ids) => ids.map((id) => log.find((entry) => entry.id === id));
const kinds = (problems) => problems.map(({ kind, id }) => [kind, id]);

describe('the judge of a subscriber', () => {
  test('reports nothing for a perfect delivery', () => {
    assert.deepEqual(judge(delivered(2, 5, 8, 10), cheese), []);
  });

  test('finds a lost event in the middle and at the end', () => {
    assert.deepEqual(kinds(judge(delivered(2, 8), cheese)), [['loss', 5], ['loss', 10]]);
  });

  test('finds a duplicate, adjacent or later', () => {
    assert.deepEqual(kinds(judge(delivered(2, 2, 5, 8, 5, 10), cheese)), [['duplicate', 2], ['duplicate', 5]]);
  });

  test('finds a reordering', () => {
    assert.deepEqual(kinds(judge(delivered(2, 8, 5, 10), cheese)), [['order', 5]]);
  });

  test('finds an event of another channel, one before the cursor and one that was never committed', () => {
    const rows = expectedRows(log, { channels: ['cheese'], after: 2 });
    const received = [...delivered(2, 3, 5), row(7), ...delivered(8, 10)];
    assert.deepEqual(kinds(judge(received, rows)), [['foreign', 2], ['foreign', 3], ['foreign', 7]]);
  });

  test('finds altered data, type, channel and time', () => {
    for (const change of [{ data: '{"n": 2}' }, { type: 'sold' }, { channel_id: 'wine' }, { ts: '3.000000' }]) {
      const problems = judge([{ ...row(2), ...change }], [row(2)]);
      assert.deepEqual(problems, [{ kind: 'altered', id: 2, fields: Object.keys(change) }]);
    }
  });

  test('compares the event inside the envelope', () => {
    const event = { id: 2, type: 'made', data: '{"id":2,…}', object: { ...row(2), data: '{"n":3}' } };
    assert.deepEqual(judge([event], [row(2)]), [{ kind: 'altered', id: 2, fields: ['data'] }]);
  });

  test('reports a reset as foreign unless resets are allowed', () => {
    const reset = { id: 1, type: 'pgevents.reset', data: '{}' };
    assert.deepEqual(kinds(judge([reset, ...cheese], cheese)), [['foreign', 1]]);
    assert.deepEqual(judge([reset, ...cheese], cheese, { resets: true }), []);
  });

  test('expects the rows that cursor, time, end and type select', () => {
    const ids = (options) => expectedRows(log, options).map(({ id }) => id);
    assert.deepEqual(ids({ channels: ['cheese', 'wine'], after: 3, until: 9 }), [5, 8, 9]);
    assert.deepEqual(ids({ since_us: 5_000_000 }), [8, 9, 10]);
    assert.deepEqual(ids({ types: ['sold'] }), [10]);
    assert.deepEqual(ids({ channels: ['cheese'], not_types: ['sold'] }), [2, 5, 8]);
  });

  test('fails the test of a client that lost an event or saw invalid bytes', () => {
    const client = { events: delivered(2, 5, 8), describe: () => 'c', assertStrict: () => {} };
    assert.throws(() => assertDelivered(client, cheese), /1 × loss/);
    client.events = delivered(2, 5, 8, 10);
    assertDelivered(client, cheese);
    client.assertStrict = () => assert.fail('odd');
    assert.throws(() => assertDelivered(client, cheese), /odd/);
  });
});

describe('the judge of the log', () => {
  const entry = (id, token, more = {}) =>
    ({ id, channel_id: 'c', type: 't', data: JSON.stringify({ token }), ...more });
  const transaction = (publisher, number, ...tokens) => ({
    publisher, number, events: tokens.map((token) => ({ token, channel: 'c', type: 't' })) });
  const record = (committed, rolledBack = [], unsure = []) => ({ committed, rolledBack, unsure });
  const found = (...args) => judgeLog(...args).map(({ kind }) => kind);

  test('reports nothing for an exact log', () => {
    const committed = [transaction(0, 0, 'a', 'b'), transaction(1, 0, 'c'), transaction(0, 1, 'd')];
    const rows = [entry(2, 'c'), entry(3, 'a'), entry(4, 'b'), entry(5, 'd')];
    assert.deepEqual(found(rows, record(committed, [transaction(2, 0, 'x')], [transaction(2, 1, 'y')])), []);
  });

  test('finds a committed event that is missing, twice or altered', () => {
    const committed = [transaction(0, 0, 'a')];
    assert.deepEqual(found([], record(committed)), ['missing']);
    assert.deepEqual(found([entry(2, 'a'), entry(3, 'a')], record(committed)), ['twice']);
    assert.deepEqual(found([entry(2, 'a', { channel_id: 'd' })], record(committed)), ['altered']);
  });

  test('finds an event that was rolled back, and a transaction of which only a part is there', () => {
    assert.deepEqual(found([entry(2, 'x')], record([], [transaction(0, 0, 'x')])), ['ghost']);
    assert.deepEqual(found([entry(2, 'x')], record([], [], [transaction(0, 0, 'x', 'y')])), ['torn']);
  });

  test('finds a wrong order within a transaction and between transactions of a publisher', () => {
    assert.deepEqual(found([entry(3, 'a'), entry(2, 'b')], record([transaction(0, 0, 'a', 'b')])), ['order']);
    const committed = [transaction(0, 0, 'a'), transaction(0, 1, 'b')];
    assert.deepEqual(found([entry(3, 'a'), entry(2, 'b')], record(committed)), ['order']);
  });
});
