// Permissions that end under load: tokens that expire every few seconds and users who are revoked or disconnected, on
// two nginx instances with one database. Clients that may reconnect resume at their cursor and lose nothing; all others
// are rejected. The promise is less than a second; the figures report the times, and the limit here allows for a busy
// machine.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { request } from '../lib/http.mjs';
import { kKilledWorker, startNginx } from '../lib/nginx.mjs';
import { tempDir } from '../lib/scratch.mjs';
import { secretKey, signToken } from '../lib/tokens.mjs';
import { Crowd, describeFigures, kChannels, startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const kSoon = 5000; // ms
const key = secretKey();
const keyFile = path.join(tempDir('key'), 'jwt.key');
fs.writeFileSync(keyFile, key.text);

const service = await startService({
  workers: 2, fallback: false, allow: [kKilledWorker],
  location: `pgevents_jwt_key ${keyFile}; pgevents_retry 50ms; pgevents_poll_interval 1s;`,
});
const { database } = service;
const second = await startNginx({ workers: 2, http: (nginx) => service.http(nginx) });
const ports = [service.port, second.port];

const now = () => Date.now() / 1000;
const token = (user, claims) => signToken({ sub: user, iat: now(), exp: now() + 600, ...claims }, { key });
const bearer = (text) => ({ Authorization: `Bearer ${text}` });

// Headers with a new token for every connection, as a page that renews its token sends them; `made` receives each
// token's expiry.
const renewing = (user, life, made = []) => ({
  get Authorization() {
    made.push(now() + life);
    return `Bearer ${token(user, { exp: made.at(-1) })}`;
  },
});

const expiries = (client) => client.events.filter(({ type }) => type === 'pgevents.expired').length;

test('with tokens that expire and are renewed every few seconds, streams end on time, and nothing is lost', async (t) => {
  const crowd = new Crowd(service);
  const cursor = await database.head();
  const streams = [];
  for (const n of range(1, 30)) {
    const made = [];
    const options = { headers: renewing(`user${n}`, 2 + (n % 5) / 4, made), cursor, maxDelay: 50, port: ports[n % 2] };
    if (n % 3 === 0) crowd.poller(kChannels, options);
    else streams.push({ client: crowd.stream(kChannels, options).client, made });
  }
  const flow = startFlow(database, { count: 8, channels: kChannels });
  await waitFor(() => streams.every(({ client }) => expiries(client) >= 4), { what: 'four expiries of every stream' });
  await flow.stop();
  const late = streams.flatMap(({ client, made }) => client.connections.flatMap(({ how, endedAt }, n) =>
    how === 'end' ? [Math.round(performance.timeOrigin + endedAt - made[n] * 1000)] : []));
  t.diagnostic(`${late.length} streams ended, ${Math.min(...late)} to ${Math.max(...late)} ms after their tokens`);
  // Two clocks may differ by some milliseconds.
  assert.ok(Math.min(...late) > -50 && Math.max(...late) < kSoon, 'a stream did not end with its token');
  t.diagnostic(describeFigures(await crowd.judge()));
});

// A user's two streams and two long polls, on both instances, and another user's streams, which must not be affected.
async function connectUsers(crowd, user) {
  const cursor = await database.head();
  const text = token(user);
  const out = ports.flatMap((port) => [crowd.stream(kChannels, { headers: bearer(text), cursor, port }),
    crowd.poller(kChannels, { headers: bearer(text), cursor, port })]).map(({ client }) => client);
  const other = ports.map((port) => crowd.stream(kChannels,
    { headers: bearer(token(`not-${user}`)), cursor, port }).client);
  await crowd.opened();
  return { out, other, text };
}

const rejected = (client) => client.status === 401 || client.answers?.at(-1)?.status === 401;

test('a revocation under load ends a user\'s requests on both instances soon; other users receive all events', async (t) => {
  const crowd = new Crowd(service);
  const flow = startFlow(database, { count: 8, channels: kChannels });
  const times = [];
  for (const round of range(1, 5)) {
    const { out, other } = await connectUsers(crowd, `guest${round}`);
    await sleep(200); // until events flow
    const started = performance.now();
    await database.query('SELECT pgevents.revoke($1)', [`guest${round}`]);
    const what = () => `401 for all, ${out.map((client) => client.describe())}`;
    await waitFor(() => out.every(rejected), { what, interval: 5 });
    times.push(performance.now() - started);
    for (const client of other) assert.equal(client.connections.length, 1);
    for (const client of out) await client.close();
    crowd.members = crowd.members.filter(({ client }) => !out.includes(client));
  }
  await flow.stop();
  t.diagnostic(`out after ${times.map((ms) => Math.round(ms)).join(', ')} ms (including the client's own reconnection)`);
  assert.ok(Math.max(...times) < kSoon, `${times}`);
  t.diagnostic(describeFigures(await crowd.judge()));
});

test('a disconnected user reconnects at the cursor and loses nothing', async (t) => {
  const crowd = new Crowd(service);
  const flow = startFlow(database, { count: 8, channels: kChannels });
  const { out, other } = await connectUsers(crowd, 'wanderer');
  const streams = out.filter((client) => client.connections);
  for (const round of range(1, 5)) {
    await database.query("SELECT pgevents.disconnect('wanderer')");
    await waitFor(() => streams.every(({ connections }) => connections.length > round),
      { what: `reconnection ${round}` });
    await Promise.all(streams.map((client) => waitFor(() => client.status === 200, { what: 'an answer' })));
  }
  for (const client of other) assert.equal(client.connections.length, 1);
  await flow.stop();
  t.diagnostic(describeFigures(await crowd.judge()));
});

test('workers that start after a revocation reject its user: reload, killed workers, a new instance', async () => {
  const text = token('banned');
  await database.query("SELECT pgevents.revoke('banned')");
  const status = async (port) => (await service.poll('cheese', { headers: bearer(text), cursor: 1, port })).status;
  await waitFor(async () => (await status()) === 401, { what: 'the first rejection' });
  const old = await service.nginx.reload();
  for (let n = 0; n < 20; n++) assert.ok([401, 503].includes(await status()));
  await waitFor(async () => (await status()) === 401, { what: 'a rejection by the new workers' });
  await service.nginx.waitGone(old);
  for (const pid of service.nginx.workers()) service.nginx.kill(pid);
  const seen = async () => {
    const code = await status().catch(() => 0); // the worker was killed during the request
    assert.ok([0, 401, 503].includes(code), `${code}`);
    return code;
  };
  await waitFor(async () => (await seen()) === 401, { what: 'new workers' });
  for (let n = 0; n < 20; n++) await seen();
  const third = await startNginx({ workers: 1, http: (nginx) => service.http(nginx) });
  await waitFor(async () => {
    const { status: code } = await request({ port: third.port, path: '/rt/events/cheese?flavor=poll',
      headers: bearer(text) });
    assert.notEqual(code, 200);
    return code === 401;
  }, { what: 'an answer of the new instance' });
  await third.stop();
});

test('at the end the logs are clean', async () => {
  await service.nginx.stop({ allow: [kKilledWorker] });
  await second.stop();
});
