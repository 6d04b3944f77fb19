// The database goes away under load, is stopped, killed or hangs, and clients of every form come and reconnect
// meanwhile: what the ring has reaches them at once, over killed workers and a reload too, and in the end each has
// every event once. There is no fallback: it would take the polls of a module without a database.
import { test } from 'node:test';

import { sleep, waitFor } from '../lib/conditions.mjs';
import { kKilledWorker } from '../lib/nginx.mjs';
import { childrenOf } from '../lib/processes.mjs';
import { isTrial, scenariosOn } from './scenario.mjs';
import { startService } from './service.mjs';

// A hanging database is noticed after ten seconds. In the suite it is back before: requests wait for it until then.
const kHangs = isTrial ? 13_000 : 1_500;

const service = await startService({ workers: 2, fallback: false, behind: false, allow: [kKilledWorker] });
const { cluster, database, nginx } = service;

// Several channels: a WebSocket subscribes to the second and the others by messages.
const channelsOf = (crowd) => crowd.members.find(({ channels }) => channels.length > 1).channels;

// What the clients of these channels have from the ring. (Polls read the log, which may be ahead of it.)
function newestOf(crowd) {
  const wanted = channelsOf(crowd).join();
  const same = crowd.members.filter(({ kind, channels }) => kind !== 'poll' && channels.join() === wanted);
  return Math.max(...same.map(({ client }) => client.events.at(-1)?.id ?? 0));
}

// One client of each form, from a cursor in the ring.
function joinAll(crowd, cursor) {
  const channels = channelsOf(crowd);
  return [crowd.stream(channels, { cursor }), crowd.webSocket(channels, { cursor }),
    crowd.poller(channels, { cursor }), crowd.poller(channels, { cursor, flavor: 'poll' })];
}

// The clients that are connected have events behind it.
async function cursorBefore(crowd) {
  const cursor = await database.head();
  await waitFor(() => newestOf(crowd) > cursor, { what: 'events behind the cursor' });
  return cursor;
}

// Each gets what those have that were connected before.
async function assertServed(members, newest, what) {
  const behind = () => members.filter(({ client }) => (client.events.at(-1)?.id ?? 0) < newest);
  await waitFor(() => behind().length === 0, { what: () => `events up to ${newest}, ${what}: ${behind()[0]?.client.describe()}` });
}

async function comeAndGo(crowd, cursor) {
  const newest = newestOf(crowd);
  const first = joinAll(crowd, cursor);
  await assertServed(first, newest, 'while the database is away');
  for (const pid of nginx.workers()) {
    nginx.kill(pid);
    await waitFor(() => !nginx.workers().includes(pid) && nginx.workers().length >= 2, { what: 'a new worker' });
  }
  await assertServed(joinAll(crowd, cursor), newest, 'by new workers');
  await nginx.waitGone(await nginx.reload());
  await assertServed(joinAll(crowd, cursor), newest, 'after a reload');
}

// `strike` makes the database go away, `mend` brings it back.
const scenario = scenariosOn(service);
function absence(sentence, strike, mend) {
  scenario(`${sentence}: clients that come meanwhile get what the ring has`, async ({ crowd }) => {
    const cursor = await cursorBefore(crowd);
    await strike();
    try {
      await service.waitAnsweredBy(503);
      await comeAndGo(crowd, cursor);
    } finally {
      await mend();
    }
  });
}

absence('PostgreSQL is stopped', () => cluster.stop('fast'), () => cluster.start());
absence('the postmaster is killed', () => cluster.kill9(), () => cluster.start());

// While the listener has not noticed it, polls wait for the log; then, as everything else, they get what the ring has.
scenario('PostgreSQL hangs (SIGSTOP): clients that come meanwhile get what the ring has', async ({ crowd }) => {
  const cursor = await cursorBefore(crowd);
  const pids = [cluster.pid, ...childrenOf(cluster.pid)];
  pids.forEach((pid) => process.kill(pid, 'SIGSTOP'));
  const until = Date.now() + kHangs;
  try {
    const newest = newestOf(crowd);
    const [stream, socket, longPoll, poll] = joinAll(crowd, cursor);
    await assertServed([stream, socket, longPoll], newest, 'while the database hangs');
    await nginx.waitGone(await nginx.reload());
    if (isTrial) await assertServed([poll], newest, 'when the listener has noticed it');
    while (Date.now() < until) await sleep(100);
  } finally {
    pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
  }
});

test('at the end the log is clean', () => nginx.stop({ allow: [kKilledWorker] }));
