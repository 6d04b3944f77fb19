// The JavaScript client over WebSockets, against the module: channels that come and go while events are published and
// nginx reloads, publications, and a server that does not speak WebSocket any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WebSocket } from 'undici';

import { EventChannel } from '../../client/src/index.js';
import { newChannel } from '../lib/backends.mjs';
import { sharedCluster } from '../lib/cluster.mjs';
import { range, waitFor } from '../lib/conditions.mjs';
import { startModuleServer } from '../lib/module_server.mjs';

globalThis.WebSocket ??= WebSocket; // Node 20 has none of its own

const database = await (await sharedCluster()).createDatabase();
const server = await startModuleServer({
  database,
  location: 'pgevents_heartbeat 1s;',
  server: () => 'location /other/ { pgevents main; pgevents_subscribe "open.*"; pgevents_publish "open.*"; }',
});
const { nginx } = server;
const address = (base = '/rt') => `http://127.0.0.1:${server.port}${base}`;

const inLog = async (channel, after) =>
  (await database.log({ channels: [channel], after })).map(({ id }) => Number(id));
const idsOf = (target) => {
  const ids = [];
  target.addEventListener('made', ({ lastEventId }) => ids.push(Number(lastEventId)));
  return ids;
};

test('channels that are subscribed to and left at runtime, during reloads: each event once, in order', async () => {
  const [first, ...others] = range(0, 4).map(() => newChannel());
  const head = await database.head();
  let publishing = true;
  const publisher = (async () => {
    for (let n = 0; publishing; n++) {
      await database.publish([first, ...others][n % 5], 'made', { n });
    }
  })();
  const channel = new EventChannel(address(), first, { transports: ['websocket'], lastEventId: head });
  const got = new Map([[first, idsOf(channel.subscribe(first))]]);
  await channel.ready;
  const left = channel.subscribe(newChannel());
  for (const name of others) {
    const subscription = channel.subscribe(name, { lastEventId: head });
    got.set(name, idsOf(subscription));
    if (name === others[1]) nginx.reload();
    if (name === others[2]) left.unsubscribe();
    await subscription.ready;
  }
  nginx.reload();
  await waitFor(() => channel.state === 'live' && channel.transport === 'websocket', { what: () => channel.state });
  const before = await database.head();
  await waitFor(async () => (await database.head()) > before + 50, { what: 'more events' });
  publishing = false;
  await publisher;
  for (const [name, ids] of got) {
    const wanted = await inLog(name, head);
    await waitFor(() => ids.length >= wanted.length, { what: () => `${ids.length} of ${wanted.length} events` });
    assert.deepEqual(ids, wanted);
  }
  channel.close();
});

test('it publishes over the WebSocket, and what is rejected says why', async () => {
  const name = `open.${newChannel()}`;
  const channel = new EventChannel(address('/other'), name, { transports: ['websocket'] });
  const ids = idsOf(channel);
  await channel.ready;
  const id = await channel.publish(name, 'made', { n: 1 });
  await waitFor(() => ids.length === 1, { what: 'the event' });
  assert.equal(id, String(ids[0]));
  await assert.rejects(channel.publish(newChannel(), 'made', 1), (error) => error.status === 403);
  channel.close();
});

test('a channel that is not granted at runtime is rejected, and the others go on', async () => {
  const name = `open.${newChannel()}`;
  const channel = new EventChannel(address('/other'), name, { transports: ['websocket'] });
  const ids = idsOf(channel);
  await channel.ready;
  await assert.rejects(channel.subscribe('closed').ready, (error) => error.status === 403);
  await database.publish(name, 'made', 1);
  await waitFor(() => ids.length === 1, { what: 'the event' });
  channel.close();
});
