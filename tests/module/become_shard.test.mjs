// A log becomes a shard while nginx follows it: the ring never has ids of both ranges, so that a cursor in the gap
// between them gets a reset, and the clients that are connected go on without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { startCluster } from '../lib/cluster.mjs';
import { startModuleServer } from '../lib/module_server.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';

const cluster = await startCluster();

// What each form of request gets first behind a cursor.
const kFirst = {
  poll: async (server, cursor) => parsePollBody((await server.get('c', { query: { flavor: 'poll', last_event_id: cursor } })).body)[0],
  'long poll': async (server, cursor) => parsePollBody((await server.get('c', { query: { last_event_id: cursor } })).body)[0],
  async stream(server, cursor) {
    const stream = server.stream('c', { cursor });
    const [first] = await stream.waitForEvents(1);
    await stream.close();
    return first;
  },
  async WebSocket(server, cursor) {
    const socket = new Socket({ port: server.port, path: `/rt/events/c?last_event_id=${cursor}` });
    await socket.waitForEvents(1);
    await socket.close();
    return socket.received.events[0];
  },
};

for (const [name, count] of [['an empty log', 0], ['a log with events', 3]]) {
  test(`${name} becomes a shard while it is served`, async () => {
    const database = await cluster.createDatabase();
    for (let i = 0; i < count; i++) await database.publish('c', 'made', i);
    const server = await startModuleServer({ database, workers: 1 });
    const stream = await server.stream('c').opened();
    const socket = await new Socket({ port: server.port, path: '/rt/events/c' }).opened();
    await database.query('SELECT pgevents.become_shard(2)');
    const id = await database.publish('c', 'made', 'after');
    assert.equal(id, 200000000000001);
    await stream.waitForEvents(1);
    await socket.waitForEvents(1);
    assert.deepEqual(stream.events.map((event) => [event.id, event.type]), [[id, 'made']]);
    assert.deepEqual(socket.received.events.map((event) => [event.id, event.type]), [[id, 'made']]);
    assert.equal(stream.connections.length, 1);
    for (const [form, first] of Object.entries(kFirst)) {
      for (const cursor of ['434', '100000000000434', '300000000000434']) {
        const event = await first(server, cursor);
        assert.equal(event.type, 'pgevents.reset', `${form} behind ${cursor}`);
        assert.equal(JSON.parse(event.data).reason, 'ahead');
      }
      const event = await first(server, String(id - 1));
      assert.deepEqual([event.id, event.type], [id, 'made'], `${form} behind a cursor of this shard`);
    }
    await stream.close();
    await socket.close();
    await server.nginx.stop();
  });
}
