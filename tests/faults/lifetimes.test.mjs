// Requests that end at an unfavourable moment: while the database answers, after their answer, during a reload. Nothing
// may be answered twice, cut, leaked or left open; nginx's log shows it.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { parseAnswers, rawExchange, request } from '../lib/http.mjs';
import { randomSource } from '../lib/publishers.mjs';
import { Crowd, describeFigures, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const service = await startService({ fallback: false, workers: 2, ring: '64k' });
const { nginx, database } = service;

// While `body` runs, a transaction holds the locks of the statement `lock`; `unlock()` ends it.
async function whileLocked(lock, body) {
  const client = await database.connect('postgres');
  try {
    await client.query('BEGIN');
    await client.query(lock);
    return await body(() => client.query('COMMIT'));
  } finally {
    await client.end();
  }
}

// Every fetch() waits, or every publication at its COMMIT.
const whileLogIsSlow = (body) => whileLocked('LOCK TABLE pgevents.history IN ACCESS EXCLUSIVE MODE', body);
const whileCommitsWait = (body) => whileLocked('SELECT pg_advisory_xact_lock(1885824374, 1)', body);

// A client that sends `bytes`, collects the answer and never closes the connection itself.
function openRaw(bytes) {
  const socket = net.connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
  const received = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.on('error', () => {});
  socket.write(bytes);
  return { socket, text: () => Buffer.concat(received).toString('latin1') };
}

const get = (target, ...headers) => [`GET ${target} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');

// nginx keeps the request of such a client after its answer: it lingers, or waits for the body.
const kLingering = [
  ['one byte too many', (target) => `${get(target, 'Connection: close')}x`],
  ['a body that never comes', (target) => get(target, 'Content-Length: 10')],
];

for (const [what, bytes] of kLingering) {
  test(`a long poll that was answered in time is not answered again by a late result of the database (${what})`, async () => {
    await database.publish('cheese', 'made', 1);
    await whileLogIsSlow(async (unlock) => {
      const raw = openRaw(bytes('/rt/events/cheese?timeout=0.2&last_event_id=0'));
      await waitFor(() => raw.text().includes('\r\n\r\n[]'), { what: 'the answer' });
      await unlock();
      await service.poll('cheese'); // is answered after the page
      await sleep(200);
      assert.equal(raw.text().match(/HTTP\/1.1/g).length, 1);
      raw.socket.destroy();
    });
    nginx.assertCleanLog();
  });
}

// A client without a cursor has none until the log's end is known.
test('a long poll without a cursor that ends before the log is read gets a cursor that misses nothing', async () => {
  const before = await database.publish('cheese', 'made', 'before');
  await request({ port: service.port, path: `/rt/events/cheese?last_event_id=${before - 1}` }); // it is in the ring
  const late = await whileLogIsSlow(async () => {
    const answer = await request({ port: service.port, path: '/rt/events/cheese?timeout=0.2' });
    assert.deepEqual([answer.status, answer.body, answer.headers['x-ps-reconnect-in']], [200, '[]', '0']);
    assert.equal(Number(answer.headers['last-event-id']), before);
    const byTime = await request({ port: service.port, path: '/rt/events/cheese?timeout=0.2&last_event_id=rt-1' });
    assert.equal(byTime.status, 503, byTime.body); // the id that a time stands for is not known
    return answer;
  });
  const id = await database.publish('cheese', 'made', 'after');
  const next = await service.poll('cheese', { cursor: late.headers['last-event-id'] });
  assert.deepEqual(next.json().map((event) => event.id), [id]);
  nginx.assertCleanLog();
});

const post = (data) => request({
  port: service.port, path: '/rt/events/cheese', method: 'POST', body: JSON.stringify({ type: 'made', data }),
  headers: { 'Content-Type': 'application/json' },
});

const waitForLocks = (count) => waitFor(async () => (await database.value(`SELECT count(*) FROM pg_stat_activity
  WHERE application_name IN ('pgevents listener', 'pgevents pool') AND wait_event_type = 'Lock'`)) >= count, { what: `${count} waiting statements` });

test('a reload during queries of the log ends streams and polls at once', async () => {
  await whileLogIsSlow(async () => {
    const streams = ['rt-1', '0', 'rt-5'].map((cursor) =>
      new EventStream({ port: service.port, path: '/rt/events/cheese', cursor }));
    const poll = request({ port: service.port, path: '/rt/events/cheese?last_event_id=0' });
    await waitForLocks(1);
    const old = await nginx.reload();
    await Promise.all(streams.map((stream) => stream.ended(3000)));
    for (const stream of streams) assert.deepEqual([stream.status, stream.connection.how], [200, 'end']);
    assert.deepEqual([(await poll).body, (await poll).headers['last-event-id']], ['[]', '0']);
    await nginx.waitGone(old, 5000);
  });
  nginx.assertCleanLog();
});

test('a leaving worker answers publications that the database has not answered yet', async () => {
  const crowd = new Crowd(service);
  crowd.stream(['cheese'], { cursor: await database.head() });
  await crowd.opened();
  await whileCommitsWait(async (unlock) => {
    const posts = [1, 2, 3].map(post);
    await waitForLocks(1);
    const old = await nginx.reload();
    await sleep(500);
    await unlock();
    for (const answer of await Promise.all(posts)) assert.equal(answer.status, 201, answer.body);
    await nginx.waitGone(old, 5000);
  });
  const { delivered } = await crowd.judge();
  assert.equal(delivered, 3);
  nginx.assertCleanLog();
});

// Random misbehaviour of clients at unfavourable moments, while events flow and nginx reloads.
async function misbehave(random, until) {
  const flavours = ['', '?flavor=eventsource', '?flavor=poll', '?last_event_id=0', '?flavor=eventsource&last_event_id=rt-1',
    '?flavor=eventsource&last_event_id=1&types=none', '?timeout=0.1', '?flavor=eventsource&last_event_id=999999999'];
  while (Date.now() < until) {
    const requests = range(1, 1 + Math.floor(random() * 3))
      .map(() => get(`/rt/events/cheese,wine/k${Math.floor(random() * 9)}${flavours[Math.floor(random() * flavours.length)]}`));
    const { socket } = openRaw(requests.join(''));
    await sleep(random() * 60);
    if (random() < 0.3) socket.pause();
    await sleep(random() * 100);
    if (random() < 0.5) socket.resetAndDestroy();
    else socket.destroy();
  }
}

test('clients that vanish, pipeline and stop reading at any moment do not affect other clients', async (t) => {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'cheese']], { fallback: false });
  const flow = startFlow(database, { channels: ['cheese', 'wine'], padding: 3000, perTransaction: [1, 20] });
  const until = Date.now() + 8000;
  const clients = range(1, 24).map((n) => misbehave(randomSource(n), until));
  for (let n = 0; n < 4; n++) {
    await sleep(1800);
    await nginx.reload();
  }
  await Promise.all(clients);
  await flow.stop();
  t.diagnostic(describeFigures(await crowd.judge()));
  nginx.assertCleanLog();
});

test('pipelined polls on one connection are answered one after the other', async () => {
  const head = await database.head();
  const queries = ['?flavor=poll', '?timeout=0.1', '?flavor=poll', '?timeout=0.05'];
  const targets = queries.map((query) => `/rt/events/none${query}`);
  const last = get('/rt/events/none?flavor=poll', 'Connection: close');
  const bytes = await rawExchange({ port: service.port }, targets.map((target) => get(target)).join('') + last);
  const answers = parseAnswers(bytes);
  assert.deepEqual(answers.map(({ status, raw }) => [status, raw.toString()]), range(1, 5).map(() => [200, '[]']));
  assert.ok(answers.every(({ headers }) => Number(headers['last-event-id']) >= head));
});

test('a restart of the database is not a gap for a ring that was never filled (preload=0)', async (t) => {
  const bare = await startService({ cluster: service.cluster, fallback: false, parameters: 'preload=0' });
  for (const n of range(1, 5)) await bare.database.publish('cheese', 'made', { n });
  await bare.nginx.quit();
  await bare.nginx.start();
  await bare.waitAnsweredBy('module');
  const crowd = new Crowd(bare);
  await crowd.oneOfEach([['cheese']], { fallback: false });
  await service.cluster.restart('fast');
  await bare.waitAnsweredBy('module');
  await bare.database.publish('cheese', 'made', 'later');
  t.diagnostic(describeFigures(await crowd.judge()));
  await bare.nginx.stop();
  await nginx.stop();
});
