// Gaps: clients whose cursor the log does not know (pruned, or ahead of a restored database) get a pgevents.reset, on
// live streams and long polls as well as on new requests, over both front-ends.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { assertDelivered, expectedRows } from '../lib/checker.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { run } from '../lib/processes.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { Crowd, describeFigures, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const service = await startService({ parameters: 'prune=off' });
const { nginx, database, cluster } = service;
const kBases = ['/rt', '/fb'];
const isReset = ({ type }) => type === 'pgevents.reset';

async function pruneAll() {
  const retain = (time) => database.query(`UPDATE pgevents.settings SET value = $1 WHERE name = 'retention'`, [time]);
  await retain('1 millisecond');
  await sleep(20);
  while ((await database.value('SELECT pgevents.prune()')) > 0);
  await retain('7 days');
}

// Asserts for a stream, a long poll and a short poll of both front-ends: first the reset, then the events that are
// still in the log.
async function assertReset(cursor, reason) {
  const log = await database.log();
  const rows = log.filter((row) => row.channel_id === 'cheese');
  const pruned_id = await database.value('SELECT pruned_id FROM pgevents.history');
  const data = `{"reason":"${reason}","oldest":${pruned_id + 1},"head":${await database.head()}}`;
  for (const base of kBases) {
    const path = `${base}/events/cheese`;
    const stream = new EventStream({ port: service.port, path, cursor });
    await stream.waitForEvents(1 + rows.length);
    const answers = await Promise.all(['poll', 'long-poll'].map((flavor) =>
      service.poll('cheese', { base, cursor, flavor })));
    for (const [reset, ...events] of [stream.events, ...answers.map(({ body }) => parsePollBody(body))]) {
      assert.deepEqual([reset.id, reset.type, reset.data], [pruned_id, 'pgevents.reset', data], `${base} ${cursor}`);
      assert.deepEqual(events.map(({ id }) => id), rows.map(({ id }) => id));
    }
    await stream.close();
    stream.assertStrict();
  }
}

test('a cursor older than the pruned history gets a reset, even if the ring still has the newest events', async () => {
  for (const n of range(1, 30)) await database.publish('cheese', 'made', { n });
  const old = (await database.log())[3].id;
  await pruneAll();
  await nginx.quit();
  await nginx.start(); // an empty ring
  await service.waitAnsweredBy('module');
  await assertReset(old, 'pruned');
  for (const n of range(1, 5)) await database.publish('cheese', 'made', { n });
  await assertReset(old, 'pruned');
});

test('a cursor ahead of the head gets a reset', async () => {
  const head = await database.head();
  await assertReset(head + 1, 'ahead');
  await assertReset(head + 1000, 'ahead');
});

test('pruning close behind live clients causes no loss and no reset', async (t) => {
  await database.query(`UPDATE pgevents.settings SET value = '2 seconds' WHERE name = 'retention'`);
  const crowd = new Crowd(service);
  const log = await database.log();
  await crowd.oneOfEach([['cheese'], ['wine', 'bread']], { fallback: false });
  const flow = startFlow(database);
  const copy = async () => log.push(...(await database.log({ after: log.at(-1)?.id ?? 0 })));
  for (let round = 0; round < 8; round++) {
    await sleep(500);
    await copy();
    await database.query('SELECT pgevents.prune()');
  }
  await flow.stop();
  await crowd.caughtUp();
  await copy();
  const pruned_id = await database.value('SELECT pruned_id FROM pgevents.history');
  const pruned = log.filter(({ id }) => id > crowd.members[1].after && id <= pruned_id);
  assert.ok(pruned.length > 100, `${pruned.length} events pruned`);
  t.diagnostic(`${pruned.length} of the events are pruned by now`);
  t.diagnostic(describeFigures(await crowd.judge({ log })));
  await database.query(`UPDATE pgevents.settings SET value = '7 days' WHERE name = 'retention'`);
});

const snapshot = (name) => `${cluster.dir}/${name}`;

// Restores a backup as an administrator does: stop, put the files back, start.
async function save(name) {
  await cluster.stop('fast');
  await run('cp', ['-a', cluster.data, snapshot(name)]);
  await cluster.start();
}

async function restore(name) {
  await cluster.stop('fast');
  fs.rmSync(cluster.data, { recursive: true });
  await run('cp', ['-a', snapshot(name), cluster.data]);
  await cluster.start();
}

// Splits a client's events at its one reset.
function aroundReset(client) {
  const at = client.events.findIndex(isReset);
  assert.notEqual(at, -1, `a reset, ${client.describe()}`);
  assert.equal(client.events.filter(isReset).length, 1, client.describe());
  return { before: client.events.slice(0, at), reset: client.events[at], after: client.events.slice(at + 1) };
}

const judged = (events, client) => ({ events, describe: () => client.describe(),
  assertStrict: () => client.assertStrict() });

// Saves, publishes `lost` events, restores, publishes `fresh` ones before nginx can reach the database, and judges
// every client: the old history before the reset, the whole restored log after it.
async function restoreUnderClients(t, name, { lost, fresh, fallback = true }) {
  await save(name);
  await service.waitAnsweredBy('module');
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'cheese']], { fallback });
  const publish = (n, of) => database.publish(n % 2 ? 'cheese' : 'wine', 'made', { n, of });
  for (const n of range(1, lost)) await publish(n, 'the lost history');
  await crowd.caughtUp();
  const old = await database.log();
  await restore(name);
  for (const n of range(1, fresh)) await publish(n, 'the new history');
  await service.waitAnsweredBy('module');
  await database.publish('cheese', 'made', 'after the restore');
  const log = await database.log();
  const last = log.at(-1);
  const isLast = (event) => event.id === last.id && event.data === last.data;
  const has = ({ client }) => client.events.slice(client.events.findIndex(isReset)).some(isLast);
  const behind = () => crowd.members.filter((member) => !has(member));
  await waitFor(() => behind().length === 0,
    { what: () => `the new event at all clients: ${behind()[0]?.client.describe()}` });
  await crowd.close();
  for (const { client, channels, after = client.start } of crowd.members) {
    const seen = aroundReset(client);
    assert.match(seen.reset.data, /^\{"reason":"ahead","oldest":[0-9]+,"head":[0-9]+\}$/);
    assertDelivered(judged(seen.before, client), expectedRows(old, { channels, after }));
    assertDelivered(judged(seen.after, client), expectedRows(log, { channels, after: seen.reset.id }));
  }
  t.diagnostic(`${crowd.members.length} clients got a reset for the restore`);
}

test('a restored database causes a reset for connected streams and polls', (t) =>
  restoreUnderClients(t, 'first', { lost: 20, fresh: 0 }));

test('a restored database with a few new events causes a reset too', (t) =>
  restoreUnderClients(t, 'second', { lost: 20, fresh: 6 }));

// Only the module can find this, because the cursors look valid.
test('a restored database that has grown beyond the clients\' cursors causes a reset too', (t) =>
  restoreUnderClients(t, 'third', { lost: 5, fresh: 15, fallback: false }));

test('at the end the log is clean', async () => {
  await nginx.stop();
});
