// The switch: the module goes off and on again while events flow, and clients of every kind go on over the fallback and back
// without losing an event or getting one twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sleep } from '../lib/conditions.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const kStep = 2500;
const service = await startService();
const { nginx, database } = service;

// A crowd on the switched location under a flow, `during` the switching, and the judgement.
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

// How often a client was answered by the fallback, and by the module.
function whoServed({ client }) {
  const answers = (client.connections ?? client.answers).filter(({ status }) => status === 200);
  const byFallback = client.connections
    ? answers.filter(({ headers }) => headers['x-accel-buffering'] === undefined)
    : answers.filter(({ headers }) => headers['x-shortpoll-info'] === 'fallback');
  return { fallback: byFallback.length, module: answers.length - byFallback.length };
}

test('by the variable: new requests go to the fallback at once, waiting ones end as they would have', async (t) => {
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

test('by a configuration without load_module: streams and long polls come back over the fallback, and over the module again', async (t) => {
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

test('a stream that never reconnected stays with the module while the switch is off, and misses nothing', async (t) => {
  const crowd = new Crowd(service);
  const { client } = crowd.stream(['cheese'], { reconnect: false });
  await crowd.opened();
  service.switchModule(false);
  for (let n = 0; n < 20; n++) await database.publish('cheese', 'made', { n });
  await client.waitForEvents(20);
  service.switchModule(true);
  t.diagnostic(describeFigures(await crowd.judge()));
  assert.equal(client.connections.length, 1);
  await nginx.stop();
});
