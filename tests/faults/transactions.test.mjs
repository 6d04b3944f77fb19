// Publishing does not restrict the application's transactions: it delays nothing while a transaction is open, and
// causes no deadlock, because it takes locks only at COMMIT.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep } from '../lib/conditions.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { Crowd, describeFigures, startFlow } from './crowd.mjs';
import { delaysByKind } from './figures.mjs';
import { startService } from './service.mjs';

const kLongSeconds = 20;
const service = await startService({ fallback: false, cluster: { settings: { deadlock_timeout: '100ms' } } });
const { database } = service;
await database.query('CREATE TABLE items (n int PRIMARY KEY, used int NOT NULL DEFAULT 0)');
await database.query('INSERT INTO items SELECT n FROM generate_series(0, 3) n');
await database.query('GRANT SELECT, UPDATE ON items TO PUBLIC');

const publish = (client, channel, token) =>
  client.query('SELECT pgevents.publish($1, $2, $3::json)', [channel, 'made', JSON.stringify({ token })]);

// Delays of a crowd's live streams for the rows of `log` only.
const streamDelays = (crowd, log) => delaysByKind(crowd.members, log).stream;

test(`a transaction that published and stays open for ${kLongSeconds} s delays no other events, and its own come at COMMIT`,
  async (t) => {
    const crowd = new Crowd(service);
    await crowd.oneOfEach([['cheese'], ['wine', 'cheese']], { fallback: false });
    const flow = { count: 4, channels: ['cheese', 'wine'], sleepMs: [0, 20], pauseMs: [10, 30] };
    const before = startFlow(database, flow);
    await sleep(4000);
    await before.stop();
    await crowd.caughtUp();
    const usual = streamDelays(crowd, await database.log());

    const long = await database.connect();
    await long.query('BEGIN');
    for (const n of range(1, 3)) await publish(long, 'cheese', `long-${n}`);
    const head = await database.head();
    const during = startFlow(database, flow);
    await sleep(kLongSeconds * 1000);
    await during.stop();
    await crowd.caughtUp();
    const log = await database.log({ after: head });
    const others = streamDelays(crowd, log.filter((row) => row.id > head));
    assert.ok(!log.some((row) => row.data.includes('long-')), 'the open transaction is not in the log');
    assert.ok(log.length > 500, `${log.length} events of others`);
    await long.query('COMMIT');
    await long.end();
    const took = await crowd.caughtUp();
    t.diagnostic(`usual delay p50/p99/longest ${Object.values(usual).join('/')} ms, ` +
      `beside the long transaction ${Object.values(others).join('/')} ms; its own events ${Math.round(took)} ms after COMMIT`);
    // All events came before the COMMIT; their delay is only a figure, because the machine may be busy.
    assert.ok(others.p50 < 10 * usual.p50 + 500, JSON.stringify({ usual, others }));
    t.diagnostic(describeFigures(await crowd.judge()));
  });

test('no event waits for the next one, however close together the COMMITs are', async (t) => {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'cheese']], { fallback: false });
  const clients = await Promise.all(range(1, 8).map(() => database.connect()));
  const took = [];
  for (const round of range(1, 60)) {
    await Promise.all(clients.map(async (client, n) => {
      await sleep(n % 4); // close together, but not at the same time
      await publish(client, n % 2 ? 'cheese' : 'wine', `close-${round}-${n}`);
    }));
    took.push(await crowd.caughtUp());
  }
  await Promise.all(clients.map((client) => client.end()));
  t.diagnostic(`the last event of each group arrived within ${Math.round(Math.max(...took))} ms`);
  assert.ok(Math.max(...took) < 3000, 'the events came without the safety sweep, every 10 s');
  t.diagnostic(describeFigures(await crowd.judge()));
});

// Runs transactions that update some rows and publish, in the order that `steps` gives. Gives { committed, deadlocks },
// with the statement that was the victim of each deadlock.
async function run(count, seconds, steps) {
  const until = Date.now() + seconds * 1000;
  const result = { committed: [], deadlocks: [] };
  const worker = async (n) => {
    const client = await database.connect();
    const random = randomSource(n + 1);
    for (let round = 0; Date.now() < until; round++) {
      const token = `${n}-${round}-${seconds}`;
      let statement;
      try {
        await client.query('BEGIN');
        for (const step of steps(n, random)) {
          statement = step === 'publish' ? 'publish' : 'update';
          if (step === 'publish') await publish(client, random() < 0.5 ? 'cheese' : 'wine', token);
          else await client.query('UPDATE items SET used = used + 1 WHERE n = $1', [step]);
          await sleep(random() * 5);
        }
        statement = 'commit';
        await client.query('COMMIT');
        result.committed.push(token);
      } catch (error) {
        if (error.code !== '40P01') throw error;
        result.deadlocks.push(statement);
        await client.query('ROLLBACK');
      }
    }
    await client.end();
  };
  await Promise.all(range(0, count - 1).map(worker));
  return result;
}

const tokensOf = (log) => new Set(log.map((row) => JSON.parse(row.data).token));

test('publishing before, between and after row locks adds no deadlock to transactions with one locking order', async (t) => {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese', 'wine']], { fallback: false });
  const orders = [[0, 'publish', 1], ['publish', 0, 1], [0, 1, 'publish'], ['publish', 0, 'publish', 1, 'publish']];
  const { committed, deadlocks } = await run(12, 5, (n, random) => orders[Math.floor(random() * orders.length)]);
  assert.deepEqual(deadlocks, []);
  const tokens = tokensOf(await database.log());
  assert.deepEqual(committed.filter((token) => !tokens.has(token)), []);
  assert.ok(committed.length > 100, `${committed.length}`);
  t.diagnostic(`${committed.length} transactions, no deadlock`);
  t.diagnostic(describeFigures(await crowd.judge()));
});

test('with rows locked in opposite order the only victims are the application\'s own updates', async (t) => {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese', 'wine']], { fallback: false });
  const steps = (n) => (n % 2 === 0 ? [2, 'publish', 3, 'publish'] : [3, 'publish', 2, 'publish']);
  const { committed, deadlocks } = await run(4, 6, steps);
  assert.ok(deadlocks.length > 0, 'the test must cause deadlocks');
  assert.deepEqual(deadlocks.filter((statement) => statement !== 'update'), []);
  const tokens = tokensOf(await database.log());
  assert.deepEqual(committed.filter((token) => !tokens.has(token)), []);
  t.diagnostic(`${committed.length} transactions, ${deadlocks.length} deadlocks between their own row locks`);
  t.diagnostic(describeFigures(await crowd.judge()));
  await service.nginx.stop();
});
