// The database goes away and returns while events flow: waiting requests go on waiting, new streams wait too, other
// requests get 503 (what the ring serves meanwhile is tried in ring_outage.test.mjs), and afterwards every client has
// every event once.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep } from '../lib/conditions.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { request } from '../lib/http.mjs';
import { childrenOf } from '../lib/processes.mjs';
import { Crowd, describeFigures, kChannels } from './crowd.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

const kResumes = 20_000;
const kAwaySeconds = isTrial ? 30 : 10;
const location = 'pgevents_retry 300ms; pgevents_poll_interval 3s; pgevents_timeout 60s; pgevents_heartbeat 2s;';
const service = await startService({ location, behind: false });
const { nginx, database, cluster } = service;

const scenario = scenariosOn(service);

for (const mode of ['fast', 'immediate']) {
  scenario(`PostgreSQL is restarted (${mode})`, () => cluster.restart(mode), { rounds: 2 });
}

scenario('the postmaster is killed with all its processes and started again', async () => {
  await cluster.kill9();
  await cluster.start();
});

scenario('every connection of the front-ends is cut', async () => {
  await service.cutFrontEnds();
  await sleep(200);
}, { rounds: 5 });

scenario('the database hangs for four seconds without closing a connection', async () => {
  const pids = [cluster.pid, ...childrenOf(cluster.pid)];
  pids.forEach((pid) => process.kill(pid, 'SIGSTOP'));
  await sleep(4000);
  pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
});

// The answers of both front-ends while the database is away.
async function assertAway() {
  const requests = [
    { path: '/events/cheese?flavor=poll' },
    { path: '/events/cheese', headers: { 'Last-Event-ID': 'rt-1' } },
    { path: '/events/cheese', method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: '{"type":"made","data":1}' },
  ];
  for (const base of ['/rt', '/fb']) {
    for (const { path, ...options } of requests) {
      const answer = await request({ port: service.port, path: base + path, ...options });
      const seen = [answer.status, answer.headers['content-type'], answer.json().code];
      assert.deepEqual(seen, [503, 'application/json', 'SERVICE_UNAVAILABLE'], `${base}${path}`);
      assert.match(answer.headers['retry-after'], /^[1-9][0-9]*$/);
    }
    const stream = new EventStream({ port: service.port, path: `${base}/events/cheese` });
    await stream.waitForBlock(({ kind }) => kind === 'waiting');
    await stream.close();
  }
}

test(`the database is away for ${kAwaySeconds} s: waiting clients keep waiting, new streams wait, polls get 503 with Retry-After`, async (t) => {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'bread'], kChannels], { fallback: false });
  const cursor = await database.head();
  for (const n of range(1, 5)) await database.publish('cheese', 'made', { n });
  await crowd.caughtUp();
  const streams = crowd.members.filter(({ kind }) => kind === 'stream').map(({ client }) => client);
  const polls = crowd.members.filter(({ kind }) => kind === 'long-poll').map(({ client }) => client);
  await sleep(500); // the long polls have been answered and are waiting again
  const answers = polls.map((client) => client.answers.length);

  await cluster.stop('fast');
  await service.waitAnsweredBy(503);
  const late = [crowd.stream(['cheese'], { cursor }), crowd.stream(kChannels), crowd.poller(['bread', 'cheese'], { cursor }),
    crowd.poller(['cheese'], { cursor, base: '/fb', flavor: 'poll' })];
  const back_at = Date.now() + kAwaySeconds * 1000;
  while (Date.now() < back_at) {
    await assertAway();
    await sleep(3000);
  }
  assert.deepEqual(streams.map(({ connections }) => connections.length), streams.map(() => 1));
  assert.deepEqual(polls.map((client) => client.answers.length), answers);
  for (const stream of streams) {
    const beats = stream.blocks.filter(({ kind }) => kind === 'heartbeat').length;
    assert.ok(beats >= kAwaySeconds / 5, `${beats} heartbeats`);
  }
  assert.deepEqual(late.map(({ client }) => client.events.length), [5, 0, 5, 0], 'what the ring has');
  for (const { kind, client } of late) if (kind === 'stream') assert.equal(client.connections.length, 1);

  await cluster.start();
  const started = performance.now();
  await service.waitAnsweredBy('module');
  t.diagnostic(`served again ${Math.round(performance.now() - started)} ms after the database was back`);
  for (const channel of kChannels) await database.publish(channel, 'made', null);
  await crowd.caughtUp({ timeout: kResumes });
  assert.deepEqual(streams.map(({ connections }) => connections.length), streams.map(() => 1));
  t.diagnostic(describeFigures(await crowd.judge()));
  await nginx.stop();
});
