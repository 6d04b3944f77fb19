// The module is switched off and on again while events flow: clients of every kind, those of WebSockets by polls,
// continue over the fallback and back without loss or duplicates.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sleep } from '../lib/conditions.mjs';
import { SocketClient } from '../lib/socket_client.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const kStep = 2500;
const service = await startService();
const { nginx, database } = service;

// Runs `during` with clients on the switched location and a flow of events, and judges the clients.
async function underFlow(t, during) {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'bread'], kChannels], { fallback: false });
  for (const channel of kChannels) crowd.poller([channel], { cursor: 0, flavor: undefined, cursorIn: 'query' });
  const publishers = startFlow(database);
  await sleep(1000);
  await during(crowd);
  await publishers.stop();
  assert.deepEqual(publishers.failures, []);
  t.diagnostic(describeFigures(await crowd.judge()));
  return crowd;
}

// How often the fallback and the module answered a client.
function whoServed({ client }) {
  if (client instanceof SocketClient) return { fallback: client.polls, module: client.connections.length };
  const answers = (client.connections ?? client.answers).filter(({ status }) => status === 200);
  const byFallback = client.connections
    ? answers.filter(({ headers }) => headers['x-accel-buffering'] === undefined)
    : answers.filter(({ headers }) => headers['x-shortpoll-info'] === 'fallback');
  return { fallback: byFallback.length, module: answers.length - byFallback.length };
}

test('switched by the variable, new requests go to the fallback at once, and waiting ones end as usual', async (t) => {
  const crowd = await underFlow(t, async () => {
    for (let round = 0; round < 3; round++) {
      service.switchModule(false);
      assert.equal(await service.whoAnswers(), 'fallback');
      await sleep(kStep);
      service.switchModule(true);
      assert.equal(await service.whoAnswers(), 'module');
      await sleep(kStep);
    }
  });
  for (const member of crowd.members.filter(({ kind }) => kind === 'long-poll')) {
    const served = whoServed(member);
    assert.ok(served.fallback > 1 && served.module > 1, `${member.client.describe()}: ${JSON.stringify(served)}`);
  }
});

test('with a configuration without load_module, clients reconnect over the fallback, and later over the module', async (t) => {
  const crowd = await underFlow(t, async () => {
    for (let round = 0; round < 2; round++) {
      const with_module = await nginx.reload((n) => service.http(n, { module: false }), { loadModule: false });
      await service.waitAnsweredBy('fallback');
      await nginx.waitGone(with_module, 5000);
      await sleep(kStep);
      await nginx.reload((n) => service.http(n), { loadModule: true });
      await service.waitAnsweredBy('module');
      await sleep(kStep);
    }
  });
  for (const member of crowd.members) {
    const served = whoServed(member);
    assert.ok(served.fallback > 1 && served.module > 1, `${member.client.describe()}: ${JSON.stringify(served)}`);
  }
});

test('an open stream or WebSocket stays with the module while the switch is off, and misses nothing', async (t) => {
  const crowd = new Crowd(service);
  const { client } = crowd.stream(['cheese'], { reconnect: false });
  const { client: socket } = crowd.webSocket(['cheese']);
  await crowd.opened();
  service.switchModule(false);
  for (let n = 0; n < 20; n++) await database.publish('cheese', 'made', { n });
  await client.waitForEvents(20);
  service.switchModule(true);
  t.diagnostic(describeFigures(await crowd.judge()));
  assert.deepEqual([client.connections.length, socket.connections.length, socket.polls], [1, 1, 0]);
  await nginx.stop();
});
