// The judge of endless runs must find what checker.mjs finds, although it drops old rows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { range } from './conditions.mjs';
import { Ledger, Reader } from './ledger.mjs';

const kNow = Date.now() * 1000;

// A fake database whose log the test writes.
class Log {
  constructor() {
    this.rows = [];
  }

  add(id, { channel_id = 'cheese', type = 'made', data = `{"n":${id}}`, ts_us = kNow } = {}) {
    this.rows.push({ id, channel_id, type, data, ts_us });
  }

  async head() {
    return this.rows.at(-1)?.id ?? 1;
  }

  async log({ after }) {
    return this.rows.filter(({ id }) => id > after);
  }
}

// A ledger over five events, and a reader of `channels` from the beginning.
async function started({ resets, types, channels = ['cheese'], after = 1, since_us } = {}) {
  const log = new Log();
  const ledger = new Ledger(log, { keep: 20 });
  await ledger.start();
  const reader = ledger.add(new Reader({ name: 'r', channels, types, resets }));
  reader.begin({ after, since_us });
  for (const id of [2, 3, 5]) log.add(id);
  log.add(6, { channel_id: 'wine' });
  log.add(8, { type: 'sold' });
  const take = (...ids) => ids.forEach((id) => reader.took(log.rows.find((row) => row.id === id)));
  return { log, ledger, reader, take };
}

const found = ({ totals: { lost, twice, other } }) => ({ lost, twice, other });
const kNothing = { lost: 0, twice: 0, other: 0 };

describe('the ledger', () => {
  test('reports nothing for a perfect delivery, whether the event or the row comes first', async () => {
    const { log, ledger, take } = await started();
    take(2, 3, 5, 8);
    await ledger.tick();
    log.add(9);
    await ledger.tick();
    take(9);
    await ledger.tick();
    assert.deepEqual([found(ledger), ledger.totals.delivered, ledger.behind(), ledger.problems], [kNothing, 5, [], []]);
  });

  test('waits for events that may still arrive, and lists the readers that lack them', async () => {
    const { ledger, reader, take } = await started();
    take(2);
    await ledger.tick();
    assert.deepEqual([found(ledger), ledger.behind()], [kNothing, [reader]]);
  });

  test('finds a lost event as soon as a later one comes', async () => {
    const { ledger, take } = await started();
    take(2, 5);
    await ledger.tick();
    assert.deepEqual(found(ledger), { ...kNothing, lost: 1 });
    assert.match(ledger.problems[0], /lost, r: event 3, 5 came/);
  });

  test('finds an event that never arrives', async () => {
    const { log, ledger, take } = await started();
    take(2, 3, 5, 8);
    log.add(9, { ts_us: kNow - 100e6 });
    await ledger.tick();
    assert.deepEqual(found(ledger), { ...kNothing, lost: 1 });
  });

  test('finds a duplicate, adjacent or later', async () => {
    const { ledger, take } = await started();
    take(2, 2, 3, 5, 3, 8);
    await ledger.tick();
    assert.deepEqual(found(ledger), { ...kNothing, twice: 2 });
  });

  test('finds a reordering: the skipped event, and the event that arrives after all', async () => {
    const { ledger, take } = await started();
    take(2, 5, 3, 8);
    await ledger.tick();
    assert.deepEqual(found(ledger), { lost: 1, twice: 1, other: 0 });
  });

  test('finds an event of another channel, of another type, and one that was never committed', async () => {
    const { ledger, reader, take } = await started({ types: ['made'] });
    take(2, 3);
    reader.took({ id: 4, type: 'made', data: '{"n":4}' });
    take(5, 6, 8);
    await ledger.tick();
    assert.deepEqual(found(ledger), { ...kNothing, other: 3 });
  });

  test('finds altered data', async () => {
    const { ledger, reader } = await started();
    reader.took({ id: 2, type: 'made', data: '{"n": 2}' });
    await ledger.tick();
    assert.deepEqual(found(ledger), { ...kNothing, other: 1 });
  });

  test('lets a reader begin behind an id, behind a time, or later with its opening', async () => {
    const { log, ledger } = await started({ after: 3 });
    const late = ledger.add(new Reader({ name: 'late', channels: ['cheese'] }));
    const timed = ledger.add(new Reader({ name: 'timed', channels: ['cheese'] }));
    timed.begin({ since_us: kNow });
    log.add(9, { ts_us: kNow + 1 });
    await ledger.tick();
    late.begin({ after: 8 });
    for (const reader of [late, timed]) reader.took(log.rows.at(-1));
    await ledger.tick();
    assert.deepEqual([found(ledger), ledger.behind().map(({ name }) => name)], [kNothing, ['r']]);
  });

  test('accepts a reset only for readers that are allowed to receive one', async () => {
    for (const resets of [true, false]) {
      const { ledger, reader, take } = await started({ resets });
      reader.took({ id: 3, type: 'pgevents.reset', data: '{}' });
      take(5, 8);
      await ledger.tick();
      assert.deepEqual([found(ledger), ledger.behind()], [{ ...kNothing, other: resets ? 0 : 1 }, []]);
    }
  });

  test('drops old rows unless a reader still waits for them', async () => {
    const { log, ledger, take } = await started();
    for (const id of range(10, 5000)) log.add(id, { ts_us: kNow - 30e6 });
    await ledger.tick();
    assert.equal(ledger.size, 4996);
    take(2, 3, 5, 8, ...range(10, 5000));
    await ledger.tick();
    assert.deepEqual([found(ledger), ledger.size], [kNothing, 4996]); // rows leave in log order; the first is new
    log.rows.splice(0);
    const other = new Ledger(log, { keep: 20 });
    for (const id of range(10, 5000)) log.add(id, { ts_us: kNow - 30e6 });
    await other.tick();
    assert.equal(other.size, 0);
  });

  test('compares the log with what publishers recorded', async () => {
    const { log, ledger } = await started();
    log.add(9, { data: '{"token":"a"}' });
    const event = (token) => ({ publisher: 0, number: 0, events: [{ token, channel: 'cheese', type: 'made' }] });
    ledger.addRecord({ committed: [event('a'), event('b')], rolledBack: [], unsure: [] }, Date.now() - 10_000);
    await ledger.tick();
    assert.equal(ledger.totals.misjudged, 1);
    assert.match(ledger.problems[0], /1 × missing/);
  });
});
