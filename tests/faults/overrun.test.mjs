// More events than the ring can contain, and readers slower than the writers: events that have left the ring come from
// the log, and a client that does not read costs no memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { range, sleep } from '../lib/conditions.mjs';
import { memoryOf } from '../lib/processes.mjs';
import { selfSignedCertificate } from '../lib/tls.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { memoryIsMeaningful, startService } from './service.mjs';

const small = await startService({ ring: '64k', workers: 2 });

// One transaction of `count` events with `bytes` of padding each, spread over the channels.
const burst = ({ database }, count, bytes, channels = kChannels) =>
  database.query(`
    SELECT count(pgevents.publish(($1::text[])[1 + n % $2::int], 'made',
        json_build_object('n', n, 'padding', repeat('x', $3::int))))
    FROM generate_series(1, $4::int) n`, [channels, channels.length, bytes, count]);

// Several lists of channels over every transport of the service.
async function gather(service) {
  const crowd = new Crowd(service);
  await crowd.oneOfEach([['cheese'], ['wine', 'bread'], kChannels]);
  crowd.stream(kChannels, { query: '?envelope=1', envelope: true });
  await crowd.opened();
  return crowd;
}

test('a burst of fifty times the ring in one transaction reaches every client, repeatedly', async (t) => {
  const crowd = await gather(small);
  const times = [];
  for (let round = 0; round < 4; round++) {
    await burst(small, 12_000, 150);
    times.push(Math.round(await crowd.caughtUp()));
  }
  t.diagnostic(`caught up ${times.join(', ')} ms after each COMMIT`);
  const figures = await crowd.judge();
  assert.ok(Math.max(...times) < 20_000, `${times}`);
  t.diagnostic(describeFigures(figures));
});

test('bursts over a steady flow reach every client', async (t) => {
  const crowd = await gather(small);
  const flow = startFlow(small.database);
  for (let round = 0; round < 6; round++) {
    await burst(small, 2000, 300, [kChannels[round % 3]]);
    await sleep(700);
  }
  await flow.stop();
  t.diagnostic(describeFigures(await crowd.judge()));
});

test('events that are larger than the ring, between small ones, reach every client', async (t) => {
  const crowd = await gather(small);
  for (let round = 0; round < 10; round++) {
    for (const bytes of [10, 20_000, 100, 400_000, 0]) await burst(small, 3, bytes);
  }
  t.diagnostic(describeFigures(await crowd.judge()));
  await small.nginx.stop();
});

// Anonymous memory: without the ring, which all workers share.
const memoryOfAll = ({ nginx }) => nginx.workers().map((pid) => memoryOf(pid, 'Anonymous') / 1024);

// A client stops reading: meanwhile its worker grows by less than a few blocks, and in the end the client has every
// event.
async function stopReading(t, { options = {}, clientOptions = {}, megabytes = 50, seconds = 10 }) {
  const service = await startService({ ring: '4m', workers: 2, fallback: false, ...options });
  const crowd = new Crowd(service);
  const slow = crowd.stream(['cheese', 'wine'], clientOptions).client;
  const cursor = await service.database.head();
  const fast = [crowd.stream(['cheese'], clientOptions), crowd.poller(['wine'], { cursor, ...clientOptions })];
  await crowd.opened();
  await burst(service, 200, 1000);
  await crowd.caughtUp();
  const before = memoryOfAll(service);
  let most = 0;
  const measure = () => (most = Math.max(most, ...memoryOfAll(service).map((now, i) => now - before[i])));
  slow.pause();
  const paused_at = performance.now();
  for (const round of range(1, megabytes)) {
    await burst(service, 100, 10_400, ['cheese', 'wine']);
    measure();
    await sleep(Math.max(0, (seconds * 1000 * round) / megabytes - (performance.now() - paused_at)));
  }
  const seen = slow.events.length;
  await crowd.caughtUp({ members: fast });
  measure();
  assert.equal(slow.events.length, seen, 'the slow client did not read');
  assert.ok(seen < 200 + 10 * megabytes, `${seen} events before it stopped`);
  slow.resume();
  const took = await crowd.caughtUp();
  measure();
  assert.equal(slow.connections.length, 1);
  t.diagnostic(`workers grew by ${most.toFixed(1)} MB at most; then the client had everything within ${Math.round(took)} ms`);
  t.diagnostic(describeFigures(await crowd.judge()));
  if (memoryIsMeaningful(service.nginx.workers()[0])) assert.ok(most < 12, `${most} MB`);
  await service.nginx.stop();
}

test('a client that stops reading for ten seconds while 50 MB pass costs no memory, and then receives all of it', (t) =>
  stopReading(t, {}));

test('over TLS the same holds', async (t) => {
  const { cert, key } = await selfSignedCertificate();
  const server = `ssl_certificate ${cert}; ssl_certificate_key ${key};`;
  await stopReading(t, { options: { listenFlags: 'ssl', server }, clientOptions: { tls: true }, megabytes: 10,
    seconds: 2 });
});
