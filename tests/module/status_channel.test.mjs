// `pgevents_status?channel=NAME`: how many subscribers a channel has in all workers, and what is answered when a worker
// hangs: within a few seconds, and never a number that is wrong.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, describe, test } from 'node:test';

import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { waitForMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';

const kWorkers = 3;
const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({
  database, workers: kWorkers, ring: '64k', allow: [kKilledWorker],
  server: 'location = /status { pgevents_status channels=on; } location = /all { pgevents_status; }',
});
const { nginx, port } = server;

const reaches = (predicate, what) => waitForMetrics({ port, path: '/status' }, predicate, what);
const workersOf = async () => (await ask()).json().databases[0].workers;

// The JSON of the status; with a number of subscribers and 200, or with neither.
async function ask(channel, { target = '/status', ...options } = {}) {
  const query = channel === undefined ? '' : `?channel=${channel}`;
  const answer = await request({ port, path: target + query, headers: { Accept: 'application/json' }, ...options });
  const found = answer.headers['content-type'] === 'application/json' && answer.json().databases[0].channel;
  if (found) {
    const known = found.silent_workers === 0;
    assert.deepEqual([answer.status, answer.headers['retry-after'], Number.isInteger(found.subscribers)],
      known ? [200, undefined, true] : [503, '1', false], answer.body);
    assert.ok(known || found.subscribers === null);
  }
  return answer;
}

const of = async (channel, options) => (await ask(channel, options)).json().databases[0].channel;
const allAnswer = () => waitFor(async () => (await of('wine')).silent_workers === 0, { what: 'all workers answer' });

// Connections that stay open, `count` to each worker: { pid: [agent, …] }.
async function connections(count) {
  const byWorker = {};
  await waitFor(async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const { headers: { 'x-worker': pid } } = await request({ port, path: '/all', agent });
    (byWorker[pid] ??= []).push(agent);
    return Object.values(byWorker).filter((agents) => agents.length >= count).length === kWorkers;
  }, { interval: 0, what: 'connections to all workers' });
  return byWorker;
}

// Stops one worker, not the listener's, and calls `body` with its pid and the connections to each of the others.
async function withStopped(count, body) {
  const byWorker = await connections(count);
  const { pid } = (await workersOf()).find(({ listens }) => !listens);
  const others = Object.entries(byWorker).filter(([worker]) => Number(worker) !== pid);
  nginx.kill(pid, 'SIGSTOP');
  try {
    await body(others.map(([worker, agents]) => ({ pid: Number(worker), agents })), pid);
  } finally {
    nginx.kill(pid, 'SIGCONT');
    for (const agent of Object.values(byWorker).flat()) agent.destroy();
  }
  await allAnswer();
}

describe('the subscribers of a channel', () => {
  test('are counted in all workers', async () => {
    const streams = range(1, 9).map((n) => server.stream(n % 3 === 0 ? 'wine' : 'port,wine'));
    await Promise.all(streams.map((stream) => stream.opened()));
    await reaches((now) => now.value('subscribers') >= 9, 'subscribers');
    assert.deepEqual(await of('wine'), { name: 'wine', subscribers: 9, silent_workers: 0 });
    const many = await Promise.all(range(1, 20).map((n) => of(n % 2 === 0 ? 'port' : 'nobody')));
    assert.deepEqual(many.map(({ subscribers }) => subscribers), range(1, 20).map((n) => (n % 2 === 0 ? 6 : 0)));
    await Promise.all(streams.map((stream) => stream.close()));
    await waitFor(async () => (await of('wine')).subscribers === 0, { what: 'no subscribers' });
  });

  test('are for locations with channels=on, and names that are valid', async () => {
    assert.equal((await ask('')).status, 400);
    assert.equal((await ask('a&channel=b')).status, 400);
    const refused = await ask('wine', { target: '/all' });
    assert.equal(refused.status, 403);
    assert.match(refused.body, /channels=on/);
  });

  test('may be asked for by a client that leaves', async () => {
    await Promise.all(range(1, 10).map(() => {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      socket.end('GET /status?channel=wine HTTP/1.1\r\nHost: x\r\n\r\n');
      return new Promise((resolve) => socket.resume().on('close', resolve));
    }));
    assert.equal((await of('wine')).silent_workers, 0);
  });
});

describe('while a worker hangs', () => {
  test('the number is not known: 503 for programs, a line on the page', async () => {
    await withStopped(1, async ([{ agents: [agent] }]) => {
      const json = await ask('wine', { agent });
      assert.equal(json.status, 503);
      assert.deepEqual(json.json().databases[0].channel, { name: 'wine', subscribers: null, silent_workers: 1 });
      const page = await request({ port, path: '/status?channel=wine', headers: { Accept: 'text/html' }, agent });
      assert.equal(page.status, 200);
      assert.match(page.body, /Channel wine<\/th><td>not known: 1 worker did not answer in time</);
      assert.equal((await ask(undefined, { agent })).status, 200);
    });
  });

  // One census takes a second then, and twelve channels in turn would take twelve.
  test('no question waits for long behind others', async () => {
    await withStopped(12, async ([{ agents }]) => {
      const since = Date.now();
      const answers = await Promise.all(range(1, 12).map((n) => of(`c${n}`, { agent: agents[n - 1] })));
      const seconds = (Date.now() - since) / 1000;
      assert.ok(seconds < 9, `${seconds} s`);
      const silent = new Set(answers.map(({ silent_workers: workers }) => workers));
      assert.deepEqual([...silent].sort(), [1, kWorkers]);  // asked, and not asked
    });
  });

  test('equal questions that wait in one worker share the answer', async () => {
    await withStopped(12, async ([{ agents }]) => {
      const answers = await Promise.all(range(1, 12).map((n) => of('wine', { agent: agents[n - 1] })));
      assert.deepEqual(answers, Array(12).fill({ name: 'wine', subscribers: null, silent_workers: 1 }));
    });
  });

  test('the others are asked although the worker that asks hangs, too', async () => {
    await withStopped(2, async ([asker, other]) => {
      const first = of('wine', { agent: asker.agents[0] });
      // When the asker has answered these, it has begun to ask.
      for (let n = 0; n < 20; ++n) await request({ port, path: '/all', agent: asker.agents[1] });
      nginx.kill(asker.pid, 'SIGSTOP');
      try {
        assert.equal((await of('port', { agent: other.agents[0] })).silent_workers, 2);
      } finally {
        nginx.kill(asker.pid, 'SIGCONT');
      }
      assert.equal((await first).subscribers, null);
    });
  });

  // Connections that the kernel has given to the stopped worker break or wait; all others are answered.
  test('it may be killed, and nginx reloaded', async () => {
    const stop = async () => {
      const { pid } = (await workersOf()).find(({ listens }) => !listens);
      nginx.kill(pid, 'SIGSTOP');
      return pid;
    };
    const askAll = () => range(1, 12).map(() => ask('wine').then(({ status: code }) => code, () => 'broken'));
    const killed = await stop();
    const first = askAll();
    nginx.kill(killed);
    const codes = await Promise.all(first);
    assert.ok(codes.includes(200) && codes.every((code) => code === 200 || code === 'broken'), String(codes));
    await reaches((now) => now.value('workers') === kWorkers, 'another worker');

    const stopped = await stop();
    const second = askAll();
    await Promise.race(second);
    const old = await nginx.reload();
    nginx.kill(stopped, 'SIGCONT');
    const known = new Set(await Promise.all(second));
    assert.ok([...known].every((code) => [200, 503, 'broken'].includes(code)), String([...known]));
    await nginx.waitGone(old);
    await allAnswer();
  });
});

// There are 128 slots in which workers put their numbers.
test('with more workers than can be counted the number is not known', async () => {
  const crowd = await startModuleServer({
    database, workers: 129, server: 'location = /status { pgevents_status channels=on format=json; }',
  });
  const { status, body } = await request({ port: crowd.port, path: '/status?channel=wine' });
  const { databases: [{ workers, channel }] } = JSON.parse(body);
  assert.deepEqual([status, workers.length, channel.subscribers], [503, 128, null]);
  await crowd.nginx.stop({ allow: [/no slot for the metrics/] });
});

after(() => nginx.stop({ allow: [kKilledWorker] }));
