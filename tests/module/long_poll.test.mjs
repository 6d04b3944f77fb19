// Waiting long polls: answered by an event, by the end of their time, or by a worker that leaves.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { assertDelivered } from '../lib/checker.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { pollBody } from '../lib/wire.mjs';

const cluster = await sharedCluster();
const database = await cluster.createDatabase();
const server = await startModuleServer({ database, workers: 4 });
const hasty = await startModuleServer({ database, location: 'pgevents_timeout 600ms;' });

// Starts a long poll and lets it wait. With a cursor it misses nothing, whenever it arrives.
async function waiting(channel, { query = {}, ...options } = {}) {
  const cursor = String(await database.head());
  const poll = server.pending(channel, { query: { last_event_id: cursor, ...query }, ...options });
  await sleep(100);
  assert.equal(poll.done(), false);
  return poll;
}

function assertWaited(answer) {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-ps-reconnect-in'], '0');
  assert.equal(answer.headers['x-shortpoll-info'], undefined);
}

test('an event answers a waiting poll', async () => {
  const channel = newChannel();
  const poll = await waiting(channel);
  const id = await database.publish(channel, 'made', { n: 1 });
  const answer = await poll.answer;
  assertWaited(answer);
  assert.equal(answer.body, pollBody(await database.log({ channels: [channel] })));
  assert.equal(answer.headers['last-event-id'], String(id));
});

test('one event answers all waiting polls, on all workers', async () => {
  const channel = newChannel();
  const polls = await Promise.all(range(1, 40).map(() => waiting(channel)));
  const id = await database.publish(channel, 'made', { n: 1 });
  const answers = await Promise.all(polls.map((poll) => poll.answer));
  for (const answer of answers) assert.equal(answer.json()[0].id, id);
  assert.ok(new Set(answers.map((answer) => answer.headers['x-worker'])).size > 1);
});

test('events of other channels and types do not end the wait, but the cursor passes them', async () => {
  const channel = newChannel();
  const started = performance.now();
  const poll = await waiting(channel, { query: { timeout: '1', not_types: 'typing' } });
  await database.publish(channel, 'typing', null);
  const last = await database.publish('elsewhere', 'made', null);
  const answer = await poll.answer;
  assert.ok(performance.now() - started >= 990);
  assertWaited(answer);
  assert.equal(answer.body, '[]');
  assert.equal(answer.headers['last-event-id'], String(last));
});

test('a poll waits for the requested time', async () => {
  for (const seconds of [0.2, 0.75]) {
    const started = performance.now();
    const answer = await server.get(newChannel(), { query: { timeout: String(seconds) } });
    const took = performance.now() - started;
    assertWaited(answer);
    assert.equal(answer.body, '[]');
    assert.ok(took >= seconds * 1000 - 10 && took < seconds * 1000 + 5000, `${took} ms`);
  }
});

test('a poll never waits longer than configured', async () => {
  for (const timeout of ['', '60', '9'.repeat(300)]) {
    const started = performance.now();
    const answer = await hasty.get(newChannel(), { query: { timeout } });
    const took = performance.now() - started;
    assert.equal(answer.body, '[]');
    assert.ok(took >= 590 && took < 6000, `${took} ms`);
  }
});

test('an empty answer replaces "now" by an id from which no event is lost', async () => {
  const channel = newChannel();
  const empty = await server.get(channel, { query: { timeout: '0.1' } });
  const id = await database.publish(channel, 'made', null);
  const answer = await server.get(channel, { query: { last_event_id: empty.headers['last-event-id'] } });
  assert.deepEqual(answer.json().map((event) => event.id), [id]);
});

test('HEAD and flavor=poll never wait', async () => {
  const channel = newChannel();
  for (const options of [{ method: 'HEAD' }, { query: { flavor: 'poll' } }, { query: { flavor: 'poll', timeout: '20' } }]) {
    const answer = await server.get(channel, { ...options, timeout: 5000 });
    assert.deepEqual([answer.status, answer.headers['x-shortpoll-info']], [200, 'requested']);
  }
});

test('one connection carries one long poll after the other', async () => {
  const channel = newChannel();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  agent.on('free', (socket) => ports.add(socket.localPort));
  for (const n of range(1, 5)) {
    const poll = await waiting(channel, { agent });
    await database.publish(channel, 'made', { n });
    assert.equal((await poll.answer).json()[0].data.data.n, n);
  }
  agent.destroy();
  assert.equal(ports.size, 1);
});

for (const cursorIn of ['header', 'query']) {
  test(`the loop of 2014 (cursor in the ${cursorIn}) gets every event once and in order`, async () => {
    const channel = newChannel();
    const pollers = range(1, 8).map(() => server.poller(channel, { cursorIn, cursor: 0 }));
    for (const n of range(1, 100)) await database.publish(channel, 'made', { n });
    await Promise.all(pollers.map((poller) => poller.waitForEvents(100)));
    await Promise.all(pollers.map((poller) => poller.close()));
    const rows = await database.log({ channels: [channel] });
    for (const poller of pollers) {
      assertDelivered(poller, rows);
      assert.deepEqual(poller.failures, []);
    }
  });
}

test('clients that leave while they wait leave nothing behind', async () => {
  const channel = newChannel();
  const agent = new http.Agent({ maxSockets: 100 });
  const polls = range(1, 50).map(() => server.pending(channel, { agent }));
  await sleep(200);
  agent.destroy();
  await waitFor(() => polls.every((poll) => poll.done()), { what: 'polls gone' });
  const id = await database.publish(channel, 'made', null);
  const answer = await server.get(channel, { query: { flavor: 'poll', last_event_id: '0' } });
  assert.deepEqual(answer.json().map((event) => event.id), [id]);
});

test('a restart of the database does not end the wait', async () => {
  const channel = newChannel();
  const polls = await Promise.all(range(1, 8).map(() => waiting(channel)));
  await cluster.restart('fast');
  const id = await database.publish(channel, 'made', { n: 1 });
  for (const poll of polls) assert.deepEqual((await poll.answer).json().map((event) => event.id), [id]);
});

test('a reload answers every waiting poll, and asks for the next one at once', async () => {
  const channel = newChannel();
  const polls = await Promise.all(range(1, 20).map(() => waiting(channel)));
  const old = await server.nginx.reload();
  for (const poll of polls) {
    const answer = await poll.answer;
    assert.deepEqual([answer.status, answer.body], [200, '[]']);
    assert.equal(answer.headers['x-ps-reconnect-in'], '0');
    assert.equal(answer.headers['x-shortpoll-info'], 'closing');
    assert.match(answer.headers['last-event-id'], /^[0-9]+$/);
  }
  await server.nginx.waitGone(old, 10_000);
});
