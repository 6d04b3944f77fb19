// Costs follow events, not subscribers, and many clients may reconnect at once without a burst of statements, which are
// counted in PostgreSQL's own log.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { Crowd, describeFigures } from './crowd.mjs';
import { startService } from './service.mjs';

const kCrowd = 2000;
const kEvents = 40;
// Default settings except for the log; no fallback, whose polls would add statements.
const service = await startService({
  cluster: { settings: { log_statement: 'all' } }, fallback: false, location: '', parameters: 'sweep=1h prune=off', ring: '32m',
});
const { nginx, database, cluster } = service;

// The statements of the front-ends' role since `mark`, by kind.
function statementsSince(mark) {
  const isStatement = (line) => / test_server@\S+ pgevents (?:listener|pool) LOG: .*(execute|statement):?/.test(line);
  const lines = cluster.logText().slice(mark.at).split('\n').filter(isStatement);
  const kinds = { log_after: 0, fetch: 0, presence_tick: 0, other: 0 };
  for (const line of lines) kinds[/pgevents\.(log_after|fetch|presence_tick)\(/.exec(line)?.[1] ?? 'other']++;
  return kinds;
}

const markLog = () => ({ at: cluster.logText().length, time: performance.now() });

// The presence clock costs a statement from time to time, independently of connections.
function assertClock({ presence_tick: ticks }, { time }) {
  const seconds = (performance.now() - time) / 1000;
  assert.ok(ticks <= 2 * seconds + 2, `${ticks} ticks in ${seconds} s`);
}

const channelOf = (n) => `c${n % 4}`;

// Connects kCrowd subscribers, three streams to each poll and each WebSocket, on one channel each.
async function gather(cursor, options = {}) {
  const crowd = new Crowd(service);
  for (const n of range(1, kCrowd)) {
    const channels = [channelOf(n)];
    if (n % 5 === 0) crowd.poller(channels, { cursor, ...options });
    else if (n % 5 === 1) crowd.webSocket(channels, { cursor, ...options });
    else crowd.stream(channels, { cursor, ...options });
    if (n % 100 === 0) await sleep(1);
  }
  await crowd.opened();
  return crowd;
}

const publish = (n) =>
  database.query(`SELECT pgevents.publish($1, 'made', $2::json)`, [channelOf(n), JSON.stringify({ n })]);

async function publishAll() {
  for (const n of range(1, kEvents)) {
    await publish(n);
    await sleep(10);
  }
}

async function assertOneListener() {
  assert.equal(await database.value(`SELECT count(*)::int FROM pg_stat_activity
    WHERE usename = 'test_server' AND datname = $1 AND application_name = 'pgevents listener'`, [database.name]), 1);
}

test('four workers have one listening connection', async () => {
  assert.equal(nginx.workers().length, 4);
  await assertOneListener();
});

test(`events fan out to ${kCrowd} subscribers without statements except the listener's`, async (t) => {
  const crowd = await gather(await database.head());
  await crowd.caughtUp();
  const mark = markLog();
  await publishAll();
  await crowd.caughtUp();
  const statements = statementsSince(mark);
  t.diagnostic(`${kEvents} events to ${kCrowd} subscribers: statements ${JSON.stringify(statements)}`);
  assert.deepEqual([statements.fetch, statements.other], [0, 0]);
  assertClock(statements, mark);
  assert.ok(statements.log_after > 0 && statements.log_after <= 2 * kEvents, `${statements.log_after}`);
  t.diagnostic(describeFigures(await crowd.judge()));
});

test(`${kCrowd} clients that reconnect at once with recent cursors after a reload cause at most 10 statements`, async (t) => {
  // Retry times are capped here to no wait, so that all clients reconnect at the same time.
  const crowd = await gather(await database.head(), { maxDelay: 0 });
  await publishAll();
  await crowd.caughtUp();
  const mark = markLog();
  const old = await nginx.reload();
  await publishAll();
  await nginx.waitGone(old, 5000);
  await crowd.caughtUp();
  const open = crowd.members.filter(({ kind }) => kind !== 'long-poll').map(({ client }) => client);
  await waitFor(() => open.every(({ connections }) => connections.length >= 2),
    { what: 'the reconnection of all streams and WebSockets' });
  const statements = statementsSince(mark);
  t.diagnostic(`besides the listener's reads for ${kEvents} events: ${JSON.stringify(statements)}`);
  assert.ok(statements.fetch + statements.other <= 10, JSON.stringify(statements));
  assertClock(statements, mark);
  assert.ok(statements.log_after <= 2 * kEvents, JSON.stringify(statements));
  t.diagnostic(describeFigures(await crowd.judge()));
});

test('after a reload the old workers are gone within 5 s, with 1,000 streams open', async (t) => {
  const crowd = new Crowd(service);
  for (const n of range(1, 1000)) crowd.stream([channelOf(n)]);
  await crowd.opened();
  await publishAll();
  const started = performance.now();
  const old = await nginx.reload();
  await nginx.waitGone(old, 5000);
  t.diagnostic(`old workers gone ${Math.round(performance.now() - started)} ms after the reload`);
  await publishAll();
  t.diagnostic(describeFigures(await crowd.judge()));
});

// A worker delivers an event in slices. An event that is committed between two of them must not wait for the next one
// (or for the heartbeat after 15 s).
test('an event that is committed during the delivery of the previous one arrives at once', async (t) => {
  const one = await startService({ cluster, fallback: false, workers: 1, location: '' });
  const crowd = new Crowd(one);
  for (const n of range(1, 1200)) {
    crowd.stream(['town']);
    if (n % 100 === 0) await sleep(1);
  }
  await crowd.opened();
  const took = [];
  for (const round of range(1, 40)) {
    await one.database.publish('town', 'made', round);
    await sleep((round % 8) * 2);
    const id = await one.database.publish('town', 'made', round);
    const started = performance.now();
    const behind = () => crowd.members.some(({ client }) => client.events.at(-1)?.id !== id);
    await waitFor(() => !behind(), { what: 'the second event everywhere', timeout: 5000, interval: 5 });
    took.push(Math.round(performance.now() - started));
  }
  t.diagnostic(`the second event reached all clients within ${Math.max(...took)} ms`);
  t.diagnostic(describeFigures(await crowd.judge()));
  await one.nginx.stop();
});

test('afterwards there is still one listening connection', async () => {
  await assertOneListener();
  await nginx.stop();
});
