// Wait ids hold across workers: while one request waits, another one with the same key is answered at once by every
// worker; and a key is free as soon as its request has ended, however it ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { Crowd, describeFigures, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const kInterval = 7; // seconds; no other answer has this value
const service = await startService({
  location: `pgevents_retry 100ms; pgevents_poll_interval ${kInterval}s;`, server: 'add_header X-Worker $pid always;',
  fallback: false, allow: [kKilledWorker],
});
const { nginx, database } = service;

let keys = 0;
const newKey = () => `page-${++keys}`;
const path = (key, query = '') => `/rt/events/cheese/${key}${query}`;
const ask = (key, { query = '?timeout=0.3', headers = {} } = {}) =>
  request({ port: service.port, path: path(key, query), headers });
const isBusy = ({ headers }) => headers['x-shortpoll-info'] === 'wait-id-busy';

// Opens a stream that waits with this key. Gives it with its worker.
async function hold(key) {
  const stream = new EventStream({ port: service.port, path: path(key) });
  await stream.opened();
  return { stream, worker: Number(stream.connection.headers['x-worker']) };
}

// Sends requests until every worker has answered. Gives one answer of each.
async function askEveryWorker(key, options) {
  const answers = new Map();
  await waitFor(async () => {
    const all = await Promise.all(range(1, 8).map(() => ask(key, options)));
    for (const answer of all) answers.set(answer.headers['x-worker'], answer);
    return answers.size >= nginx.workers().length;
  }, { what: () => `answers of all workers, only ${[...answers.keys()]}`, interval: 1 });
  return [...answers.values()];
}

function assertBusy(answer) {
  const { status, body, headers } = answer;
  assert.deepEqual([status, body], [200, '[]']);
  assert.deepEqual([headers['x-shortpoll-info'], headers['x-ps-reconnect-in']], ['wait-id-busy', String(kInterval)]);
  assert.match(headers['last-event-id'], /^[0-9]+$/);
}

// Asserts that a request with this key may wait.
async function assertFree(key) {
  const answer = await ask(key, { query: '?timeout=0.2' });
  assert.deepEqual([answer.body, answer.headers['x-shortpoll-info']], ['[]', undefined]);
}

test('every worker answers a second long poll with the same key at once with [] and a later reconnection', async () => {
  const key = newKey();
  const { stream } = await hold(key);
  const started = performance.now();
  const answers = await askEveryWorker(key, { query: '?timeout=30' });
  assert.ok(performance.now() - started < 15_000, 'no request waited');
  answers.forEach(assertBusy);
  await assertFree(newKey());
  assert.equal(stream.connection.how, undefined, 'the first stream stays open');
  await stream.close();
});

test('a second stream ends at once with a later retry and with the events after its cursor', async () => {
  const key = newKey();
  const { stream } = await hold(key);
  const cursor = await database.head();
  await database.publish('cheese', 'made', 1);
  // The ring is a moment behind the log.
  await waitFor(async () => parsePollBody((await ask(key, { headers: { 'Last-Event-ID': String(cursor) } })).body).length === 1);
  await sleep(100);
  for (const worker of range(1, 8)) {
    const second = new EventStream({ port: service.port, path: path(key), cursor });
    await second.ended();
    assert.equal(second.connection.how, 'end', `${worker}`);
    assert.equal(second.opening.retry, 1000 * kInterval);
    assert.deepEqual(second.events.map(({ data }) => data), ['1']);
    second.assertStrict();
  }
  const answer = await ask(key, { headers: { 'Last-Event-ID': String(cursor) } });
  assert.deepEqual([isBusy(answer), parsePollBody(answer.body).length], [true, 1]);
  await stream.close();
});

test('the key is free after its client has left', async () => {
  const key = newKey();
  const { stream } = await hold(key);
  assertBusy(await ask(key));
  await stream.close();
  await waitFor(async () => !isBusy(await ask(key)), { what: 'a free key' });
  await assertFree(key);
});

test('the key is free after its worker was killed', async () => {
  const key = newKey();
  const { stream, worker } = await hold(key);
  assertBusy(await ask(key));
  nginx.kill(worker);
  await stream.ended();
  await waitFor(() => nginx.workers().length === 4 && !nginx.workers().includes(worker), { what: 'a new worker' });
  await assertFree(key);
});

// Its key is never busy, because no other client uses it.
test('a client that reconnects over new connections and through reloads never blocks itself', async (t) => {
  const crowd = new Crowd(service);
  const cursor = await database.head();
  const headers = { Connection: 'close' };
  for (const wait_id of range(1, 5).map(newKey)) {
    crowd.stream(['cheese'], { wait_id });
    crowd.poller([`cheese/${newKey()}`], { cursor, headers });
    crowd.poller([`cheese/${newKey()}`], { cursor });
  }
  crowd.members.forEach((member) => (member.channels = ['cheese']));
  await crowd.opened();
  const flow = startFlow(database, { count: 2 });
  for (let n = 0; n < 5; n++) {
    await sleep(600);
    await nginx.reload();
  }
  await flow.stop();
  await crowd.caughtUp();
  const pollers = crowd.members.filter(({ client }) => client.answers).map(({ client }) => client);
  const polls = pollers.flatMap(({ answers }) => answers);
  const openings = crowd.members.flatMap(({ client }) => client.blocks ?? []).filter(({ kind }) => kind === 'opening');
  const busy = [...polls.filter(isBusy), ...openings.filter(({ retry }) => retry === 1000 * kInterval)];
  t.diagnostic(`${polls.length} long polls and ${openings.length} streams, ${busy.length} busy`);
  assert.equal(busy.length, 0);
  t.diagnostic(describeFigures(await crowd.judge()));
  await nginx.stop({ allow: [kKilledWorker] });
});
