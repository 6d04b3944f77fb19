// wait_id: of the requests of one page or session only one waits, whichever workers they reach.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';

const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({ database, workers: 4, allow: [kKilledWorker] });

const busy = (answer) => answer.headers['x-shortpoll-info'] === 'wait-id-busy';

async function startWaiting(path, options) {
  const poll = server.pending(path, options);
  await sleep(150);
  assert.equal(poll.done(), false);
  return poll;
}

// Waits until the key is free, that is until a request with it waits.
async function waitFree(path) {
  await waitFor(async () => !busy(await server.get(path, { query: { timeout: '0.05' } })), { what: `${path} free` });
}

function assertBusy(answer) {
  assert.deepEqual([answer.status, answer.body], [200, '[]']);
  assert.ok(busy(answer));
  assert.equal(answer.headers['x-ps-reconnect-in'], '5');
  assert.match(answer.headers['last-event-id'], /^[0-9]+$/);
}

test('while one request waits, others with the same key are answered at once, on every worker', async () => {
  const channel = newChannel();
  const first = await startWaiting(`${channel}/key1`);
  const workers = new Set();
  for (let i = 0; i < 200 && workers.size < 3; i++) {
    const answers = await Promise.all(range(1, 8).map(() => server.get(`${channel}/key1`)));
    for (const answer of answers) {
      assertBusy(answer);
      workers.add(answer.headers['x-worker']);
    }
  }
  assert.ok(workers.size >= 3, `only ${workers.size} workers answered`);
  assert.equal(first.done(), false);
  const id = await database.publish(channel, 'made', null);
  assert.deepEqual((await first.answer).json().map((event) => event.id), [id]);
});

test('a busy answer contains the events so far', async () => {
  const [channel, waiting_for] = [newChannel(), newChannel()];
  const first = await startWaiting(`${waiting_for}/key2`, { query: { timeout: '20' } });
  const id = await database.publish(channel, 'made', null);
  // The listener may be a moment behind the commit.
  const answer = await waitFor(async () => {
    const poll = await server.get(`${channel}/key2`, { query: { last_event_id: String(id - 1) } });
    assert.ok(busy(poll));
    return poll.body !== '[]' && poll;
  }, { what: 'a busy answer with an event' });
  assert.deepEqual(answer.json().map((event) => event.id), [id]);
  assert.equal(first.done(), false);
  await database.publish(waiting_for, 'made', null);
  await first.answer;
});

test('the key is free after the answer', async () => {
  const channel = newChannel();
  const first = await startWaiting(`${channel}/key3`);
  await database.publish(channel, 'made', null);
  await first.answer;
  const second = await startWaiting(`${channel}/key3`);
  assertBusy(await server.get(`${channel}/key3`));
  await database.publish(channel, 'made', null);
  assert.equal((await second.answer).headers['x-ps-reconnect-in'], '0');
});

test('the key is free after the client has left', async () => {
  const path = `${newChannel()}/key4`;
  const agent = new http.Agent();
  const first = await startWaiting(path, { agent });
  assertBusy(await server.get(path));
  agent.destroy();
  await first.answer.catch(() => {});
  await waitFree(path);
});

test('the key is free after the timeout', async () => {
  const path = `${newChannel()}/key5`;
  const first = await startWaiting(path, { query: { timeout: '0.5' } });
  assertBusy(await server.get(path));
  assert.equal(busy(await first.answer), false);
  await waitFree(path);
});

test('requests with other keys and without one wait at the same time', async () => {
  const channel = newChannel();
  const polls = await Promise.all(['/a', '/b', '/A', ''].map((key) => startWaiting(`${channel}${key}`)));
  await database.publish(channel, 'made', null);
  for (const poll of polls) assert.equal((await poll.answer).headers['x-shortpoll-info'], undefined);
});

test('a key counts for all channels together', async () => {
  const first = await startWaiting(`${newChannel()}/key6`, { query: { timeout: '1' } });
  assertBusy(await server.get(`${newChannel()}/key6`));
  await first.answer;
});

test('a stream with the key prevents polls from waiting', async () => {
  const path = `${newChannel()}/key7`;
  const stream = await server.stream(path).opened();
  assertBusy(await server.get(path));
  await stream.close();
  await waitFree(path);
});

test('many keys are in use at the same time', async () => {
  const channel = newChannel();
  const streams = range(1, 300).map((n) => server.stream(`${channel}/many${n}`));
  await Promise.all(streams.map((stream) => stream.opened()));
  for (const n of range(1, 300)) assertBusy(await server.get(`${newChannel()}/many${n}`));
  await database.publish(channel, 'made', null);
  await Promise.all(streams.map((stream) => stream.waitForEvents(1)));
  await Promise.all(streams.map((stream) => stream.close()));
});

test('the key is free after its worker was killed', async () => {
  const path = `${newChannel()}/key8`;
  const stream = await server.stream(path).opened();
  const worker = Number(stream.connection.headers['x-worker']);
  assertBusy(await server.get(path));
  server.nginx.kill(worker, 'SIGKILL');
  await stream.ended();
  await waitFree(path);
  await stream.close();
});
