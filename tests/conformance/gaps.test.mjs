// Gaps are reported in band: cursors behind the kept history or ahead of the head get `pgevents.reset` and then the
// kept events. The events are published before the back-ends start, so that no ring contains more than the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { forEach, startBackends } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { sleep } from '../lib/conditions.mjs';
import { formatTs, parseEventObject } from '../lib/wire.mjs';

const database = await (await sharedCluster()).createDatabase();

// Ten events that are pruned, a pause, then three cheeses and one wine that are kept.
for (let i = 0; i < 10; i++) await database.publish('cheese', 'made', { i });
const gone = await database.log();
const retain = (time) => database.query(`UPDATE pgevents.settings SET value = $1 WHERE name = 'retention'`, [time]);
await retain('1 millisecond');
await sleep(20);
await database.query('SELECT pgevents.prune()');
await retain('7 days');
assert.deepEqual(await database.log(), []);
for (const channel of ['cheese', 'wine', 'cheese', 'cheese']) await database.publish(channel, 'made', null);
const log = await database.log();
const kept = log.filter((row) => row.channel_id === 'cheese').map((row) => row.id);
const pruned_id = gone.at(-1).id;
const head = await database.head();
const backends = await startBackends({ database });

const resetData = (reason) => `{"reason":"${reason}","oldest":${pruned_id + 1},"head":${head}}`;

const kGaps = [
  ['an id before the kept history', String(gone[3].id), 'pruned'],
  ['the oldest id ever', '1', 'pruned'],
  ['the id just before the last pruned one', String(pruned_id - 1), 'pruned'],
  ['a time in the pruned history', `rt-${formatTs(gone[5].ts_us)}`, 'pruned'],
  ['the beginning of time', 'rt-0', 'pruned'],
  ['an id ahead of the head', String(head + 1), 'ahead'],
  ['the highest possible id', '9223372036854775807', 'ahead'],
];

forEach(backends, (backend) => {
  for (const [what, cursor, reason] of kGaps) {
    test(`${what}: a poll gets the reset, then all kept events`, async () => {
      const before = Date.now() / 1000;
      const answer = await backend.poll('cheese', { cursor });
      const [reset, ...events] = answer.events;
      assert.deepEqual([reset.id, reset.channel_id, reset.type, reset.data],
        [pruned_id, 'cheese', 'pgevents.reset', resetData(reason)]);
      assert.ok(Math.abs(Number(reset.ts) - before) < 60, `ts ${reset.ts}`);
      assert.deepEqual(events.map(({ id }) => id), kept);
      assert.equal(answer.cursor, String(head));
    });

    test(`${what}: an event stream gets the reset, then all kept events`, async () => {
      const stream = await backend.stream('cheese', { cursor, count: 1 + kept.length });
      const frame = `event: pgevents.reset\ndata: ${resetData(reason)}\nid: ${pruned_id}\n\n`;
      assert.equal(stream.events[0].raw.toString(), frame);
      assert.deepEqual(stream.events.slice(1).map(({ id }) => id), kept);
    });
  }

  test('the poll after the reset is an ordinary one', async () => {
    const { cursor } = await backend.poll('cheese', { cursor: '1' });
    assert.equal((await backend.poll('cheese', { cursor })).body, '[]');
  });

  const whole = [
    ['0, which asks for all kept events', '0', kept],
    ['the last pruned id itself', String(pruned_id), kept],
    ['the head', String(head), []],
    ['the time of the last pruned event', `rt-${formatTs(gone.at(-1).ts_us)}`, kept],
    ['a time within the kept history', `rt-${formatTs(log[0].ts_us)}`, kept.slice(1)],
    ['a time in the future', `rt-${Math.ceil(Date.now() / 1000) + 86400}`, []],
  ];
  for (const [what, cursor, expected] of whole) {
    test(`${what}: there is no gap`, async () => {
      const answer = await backend.poll('cheese', { cursor });
      assert.deepEqual(answer.events.map(({ id }) => id), expected);
    });
  }

  test('filters do not suppress the reset', async () => {
    for (const query of [{ types: 'sold' }, { not_types: 'made' }, { not_types: 'pgevents.reset' }]) {
      const answer = await backend.poll('cheese', { cursor: '1', query });
      assert.equal(answer.events[0].type, 'pgevents.reset');
      assert.equal(answer.events.length, query.not_types === 'pgevents.reset' ? 1 + kept.length : 1);
    }
  });

  test('reports the gap on a channel without events, and once for several channels', async () => {
    assert.deepEqual((await backend.poll('milk', { cursor: '1' })).events.map(({ type }) => type), ['pgevents.reset']);
    const answer = await backend.poll('cheese,milk,wine', { cursor: '1' });
    assert.deepEqual(answer.events.map(({ id }) => id), [pruned_id, ...log.map(({ id }) => id)]);
  });

  test('envelope=1 puts the reset into an envelope', async () => {
    const stream = await backend.stream('cheese', { cursor: '1', count: 4, query: { envelope: '1' } });
    const object = parseEventObject(stream.events[0].data);
    assert.deepEqual([object.type, object.data], ['pgevents.reset', resetData('pruned')]);
  });
});
