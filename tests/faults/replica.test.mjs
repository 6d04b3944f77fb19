// A standby takes over from a primary that has crashed; the front-ends know both (several hosts in the connection string). With
// synchronous replication nobody notices more than a pause; with asynchronous the tail of the log may be lost, and whoever had it
// is told so, never left in silence.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { judge, summarise } from '../lib/checker.mjs';
import { startCluster, startStandby } from '../lib/cluster.mjs';
import { range, sleep, waitFor } from '../lib/conditions.mjs';
import { kServerUser } from '../lib/database.mjs';
import { EventStream } from '../lib/event_stream.mjs';
import { Poller } from '../lib/poller.mjs';
import { startFlow } from './crowd.mjs';
import { startService } from './service.mjs';

const isReset = ({ type }) => type === 'pgevents.reset';

// A primary with its standby, and a service that goes to whichever of the two takes writes.
async function startPair(settings = {}) {
  const primary = await startCluster();
  const standby = await startStandby(primary);
  const administration = primary.database('postgres');
  for (const [name, value] of Object.entries(settings)) await administration.query(`ALTER SYSTEM SET ${name} = '${value}'`);
  await administration.query('SELECT pg_reload_conf()');
  const cluster = {
    createDatabase: async () => {
      const made = await primary.createDatabase();
      made.conninfo = () => `host=${primary.dir},${standby.dir} port=${primary.port},${standby.port} dbname=${made.name} ` +
        `user=${kServerUser} target_session_attrs=read-write connect_timeout=2`;
      return made;
    },
  };
  const location = 'pgevents_retry 300ms; pgevents_poll_interval 1s;';
  const service = await startService({ cluster, workers: 2, behind: false, location });
  const copy = standby.database(service.database.name);
  const behind = async () => (await service.database.head()) - (await copy.head());
  await waitFor(async () => (await behind().catch(() => 1)) === 0, { what: 'the standby has everything' });
  return { primary, standby, service, copy, behind };
}

// Streams and polls over module and fallback, from the head on.
async function listen({ service }) {
  const cursor = await service.database.head();
  const options = (base) => ({ port: service.port, path: `${base}/events/cheese`, cursor, maxDelay: 500 });
  const clients = ['/rt', '/fb'].flatMap((base) => [
    new EventStream({ ...options(base), reconnect: true }),
    new Poller({ ...options(base), flavor: base === '/rt' ? 'long-poll' : 'poll' }),
  ]);
  return { cursor, clients };
}

const has = (id) => ({ events }) => events.some((event) => event.id === id && !isReset(event));
const have = (clients, id, what) => waitFor(() => clients.every(has(id)), { what, timeout: 60_000 });

async function end({ service }, clients) {
  for (const client of clients) await client.close();
  await service.nginx.stop();
}

test('a synchronous standby is promoted in the middle of a flow: nothing is lost, nobody is told of a gap', async (t) => {
  const pair = await startPair({ synchronous_standby_names: '*' });
  const { primary, standby, service, copy } = pair;
  await service.database.query("SELECT pgevents.publish('cheese', 'made', '0')");
  const { cursor, clients } = await listen(pair);
  const flow = startFlow(service.database, { count: 4, channels: ['cheese'] });
  await waitFor(() => clients.every(({ events }) => events.length > 20), { what: 'a flow' });
  await primary.kill9();
  const { committed } = await flow.stop();
  await standby.promote();
  const started = performance.now();
  await copy.query("ALTER SYSTEM RESET synchronous_standby_names");
  await copy.query('SELECT pg_reload_conf()');
  await copy.publish('cheese', 'made', 1);
  const log = await copy.log({ after: cursor, channels: ['cheese'] });
  await have(clients, log.at(-1).id, 'everybody has what comes from the new primary');
  const took = Math.round(performance.now() - started);
  t.diagnostic(`${committed.length} transactions, ${log.length} events; caught up ${took} ms after the promotion`);
  for (const client of clients) assert.equal(summarise(judge(client.events, log)), '');
  await end(pair, clients);
});

// The new primary's log comes further than the lost one had, before those who poll look again.
test('an asynchronous standby that lacks the tail is promoted: whoever had it gets a reset, and then everything', async (t) => {
  const pair = await startPair();
  const { primary, standby, service, copy, behind } = pair;
  const { clients } = await listen(pair);
  for (const n of range(1, 10)) await service.database.publish('cheese', 'made', { n });
  await waitFor(async () => (await behind()) === 0, { what: 'the standby has everything' });
  const common = await service.database.head();
  await standby.stop('fast');
  for (const n of range(1, 5)) await service.database.publish('cheese', 'lost', { n });
  const lost = await service.database.head();
  await have(clients, lost, 'everybody has the tail');
  await primary.kill9();
  await standby.start();
  await standby.promote();
  const started = performance.now();
  await sleep(200);
  const rows = [];
  for (const n of range(1, 20)) rows.push(await copy.publish('cheese', 'new', { n }));
  await waitFor(() => clients.every(({ events }) => events.some(isReset)), { what: 'everybody is told', timeout: 60_000 });
  const last = ({ events }) => events.filter(({ type }) => type === 'new').at(-1)?.id;
  await waitFor(() => clients.every((client) => last(client) === rows.at(-1)), { what: 'the new ones' });
  const took = Math.round(performance.now() - started);
  t.diagnostic(`head ${common}, ${lost} with what was lost; told and caught up ${took} ms after the promotion`);
  for (const { events } of clients) {
    const news = events.slice(events.findLastIndex(isReset) + 1);
    assert.deepEqual(news.filter(({ type }) => type === 'new').map(({ id }) => id), rows);
    assert.equal(events.filter(({ type }) => type === 'lost').length, 5);
  }
  await end(pair, clients);
});
