// A log that has a copy becomes a shard while both are served: the copy's clients go on without a reset, and a cursor
// of another shard gets one on both sides.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pair } from '../lib/copies.mjs';
import { arrived } from '../lib/copy.mjs';
import { Socket } from '../lib/web_socket.mjs';
import { parsePollBody } from '../lib/wire.mjs';
import { playsAll } from './lib/play.mjs';

const pair = new Pair();

test('a log that has a copy becomes a shard', { skip: !playsAll && './run cluster plays it' }, async () => {
  await pair.start();
  await pair.subscribe();
  await pair.serve();
  const { primary, copy, sides } = pair;
  for (let n = 0; n < 3; n++) await primary.publish('c', 'made', n);
  await arrived(primary, copy);
  const head = await copy.head();
  const streams = await Promise.all(sides.map(({ module }) => module.stream('c').opened()));
  await primary.query('SELECT pgevents.become_shard(1)');
  const id = await primary.publish('c', 'made', 'after');
  for (const stream of streams) {
    await stream.waitForEvents(1);
    assert.deepEqual(stream.events.map((event) => [event.id, event.type]), [[id, 'made']]);
    assert.equal(stream.connections.length, 1);
    await stream.close();
  }
  for (const { module } of sides) {
    for (const cursor of [head + 50, 200000000000434]) {
      const socket = new Socket({ port: module.port, path: `/rt/events/c?last_event_id=${cursor}` });
      await socket.waitForEvents(1);
      await socket.close();
      const answers = await Promise.all(['poll', 'long-poll'].map((flavor) =>
        module.get('c', { query: { flavor, last_event_id: cursor } })));
      const firsts = [socket.received.events[0], ...answers.map(({ body }) => parsePollBody(body)[0])];
      assert.deepEqual(firsts.map(({ type }) => type), Array(3).fill('pgevents.reset'), `behind ${cursor}`);
    }
    const [own] = parsePollBody((await module.get('c', { query: { last_event_id: head } })).body);
    assert.deepEqual([own.id, own.type], [id, 'made'], 'a cursor from before');
    await module.nginx.stop();
  }
});
