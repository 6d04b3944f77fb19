// Users whose control events a worker may have missed are sent away, so that their access is checked again. The cursor
// that they leave with must not skip the events that the worker missed as well: each client gets them when it is back.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { judge, summarise } from '../lib/checker.mjs';
import { startCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { readMetrics } from '../lib/metrics.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { SocketClient } from '../lib/socket_client.mjs';
import { inSeconds, secretKey, signToken } from '../lib/tokens.mjs';

const kEach = 4; // clients of each form, on two workers
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

const cluster = await startCluster();
const database = await cluster.createDatabase();
const server = await startModuleServer({
  database, ring: '256k', parameters: 'sweep=200ms', location: `pgevents_jwt_key ${keyFile}; pgevents_retry 100ms; pgevents_timeout 2s;`,
  server: 'location = /metrics { pgevents_status format=prometheus; }',
});

const asUser = (user) =>
  ({ Authorization: `Bearer ${signToken({ sub: user, iat: inSeconds(-10), exp: inSeconds(600) }, { key })}` });
const kForms = [
  (channel, headers) => server.stream(channel, { headers, reconnect: true }),
  (channel, headers) => new SocketClient({ host: '127.0.0.1', port: server.port, base: '/rt', channels: [channel], headers }),
  (channel, headers) => server.poller(channel, { headers }),
];

// PostgreSQL crashes, and events are published before nginx has found it again.
async function crash(publish) {
  await database.query(`ALTER ROLE ${kServerUser} NOLOGIN`);
  await cluster.kill9();
  await cluster.start();
  await publish();
  await database.query(`ALTER ROLE ${kServerUser} LOGIN`);
}

// A stream at the worker that listens.
async function seerAt(listener) {
  for (;;) {
    const seer = await server.stream('last').opened();
    if (seer.connection.headers['x-worker'] === listener) return seer;
    await seer.close();
  }
}

// The worker that does not listen stands still until the other one has overwritten the ring.
async function overrun(publish) {
  const [, listener] = [...server.nginx.logText().matchAll(/ ([0-9]+)#[^\n]* pgevents: listening to/g)].at(-1);
  const seer = await seerAt(listener);
  const other = server.nginx.workers().find((pid) => pid !== Number(listener));
  process.kill(other, 'SIGSTOP');
  try {
    await database.query('SELECT pgevents.revoke($1)', ['somebody']);
    await publish();
    for (const n of range(1, 60)) await database.publish('other', 'made', { n, text: 'x'.repeat(10_000) });
    await database.publish('last', 'made', null);
    await seer.waitForEvents(1);
  } finally {
    process.kill(other, 'SIGCONT');
  }
  await seer.close();
}

const sentAway = async () =>
  (await readMetrics({ port: server.port, path: '/metrics' })).value('stream_ends_total', { reason: 'recheck' });

for (const [cause, strike] of Object.entries({ 'a new generation of ids': crash, 'a ring that overtakes a worker': overrun })) {
  test(`users who are sent away by ${cause} miss no event`, async () => {
    const channel = strike.name;
    const clients = range(1, kEach).flatMap((n) => kForms.map((connect) => connect(channel, asUser(`${n}`))));
    for (const client of clients) await client.opened();
    await database.publish(channel, 'made', 0);
    const received = (client, count) =>
      waitFor(() => client.events.length >= count, { what: () => `${count} events: ${client.describe()}` });
    for (const client of clients) await received(client, 1);
    const before = await sentAway();
    await strike(async () => {
      for (const n of range(1, 3)) await database.publish(channel, 'made', n);
    });
    await waitFor(async () => await sentAway() > before, { what: 'streams that are sent away' });
    await database.publish(channel, 'made', 'last');
    const rows = await database.log({ channels: [channel] });
    for (const client of clients) {
      await waitFor(() => client.events.some(({ id }) => id === rows.at(-1).id), { what: () => client.describe() });
      const problems = judge(client.events, rows);
      assert.deepEqual(problems, [], `${client.describe()}: ${summarise(problems)}`);
      await client.close();
    }
  });
}
